import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';
import { silence, testWorkflow } from './testing/index.ts';
import { defineWorkflow } from './workflow.ts';

const run = (steps: (mesh: Mesh) => Step<unknown>, agents: Record<string, () => unknown> = {}) =>
  testWorkflow(
    defineWorkflow({
      name: 'bounded',
      version: 1,
      description: 'bounded',
      input: z.unknown(),
      output: z.unknown(),
      async *run(mesh) {
        return { result: yield* steps(mesh) };
      },
    }),
    { input: {}, agents },
  );

const work = (mesh: Mesh, agent = 'silent') => mesh.call({ agent }, {}, { noProgress: '1h', timeout: '1h' });
const nested = (mesh: Mesh) => mesh.within('1m', mesh.within('5m', work(mesh)));
const agents = { silent: () => silence, quick: () => ({ done: true }), broken: () => JSON.parse('{') };

describe('within', () => {
  it('gives what the step gives, when it ends in time, and leaves no clock behind', async () => {
    const ended = await run(async function* (mesh) {
      const first = yield* mesh.within('10m', work(mesh, 'quick'));
      yield* mesh.sleep('1h');
      return first;
    }, agents);
    expect(ended).toMatchObject({ status: 'completed', output: { result: { done: true } } });
  });

  it('gives up the call that is open when the time is up, and fails with the limit', async () => {
    const late = await run((mesh) => mesh.within('10m', work(mesh)), agents);
    await late.advance('9m');
    expect(late.status).toBe('waiting');
    await late.advance('1m');
    expect(late).toMatchObject({
      status: 'failed',
      failure: { code: 'DEADLINE_EXCEEDED', details: { timeLimitMs: 600_000 }, retryable: false },
    });
    expect(late.calls).toHaveLength(1);
  });

  it('throws what the step throws, and a limit after that means nothing', async () => {
    const caught = await run(async function* (mesh) {
      try {
        return yield* mesh.within('1m', work(mesh, 'broken'));
      } catch {
        return yield* mesh.ask({ prompt: 'And now?' });
      }
    }, agents);
    await caught.advance('2m');
    expect(caught.openQuestions).toHaveLength(1);
    await caught.answer({ action: 'approve' });
    expect(caught.status).toBe('completed');
  });

  it('withdraws questions, and undoes what was done before, when the run fails of it', async () => {
    const late = await run(
      (mesh) =>
        mesh.within(
          '1m',
          (async function* (): Step<unknown> {
            mesh.compensate('the first step', () => work(mesh, 'quick'));
            return yield* mesh.ask({ prompt: 'Well?' });
          })(),
        ),
      agents,
    );
    expect(late.openQuestions).toHaveLength(1);
    await late.advance('1m');
    expect(late).toMatchObject({ status: 'failed', undone: ['the first step'], openQuestions: [] });
  });

  it('lets the workflow go on after it, with nothing of the step left open', async () => {
    const rescued = await run(async function* (mesh) {
      try {
        return yield* mesh.within('1s', mesh.ask({ prompt: 'In time?' }));
      } catch {
        return yield* mesh.ask({ prompt: 'Too late?' });
      }
    });
    await rescued.advance('1s');
    expect(rescued.openQuestions.map(({ prompt }) => prompt)).toEqual(['Too late?']);
    await rescued.answer({ action: 'approve' });
    expect(rescued.status).toBe('completed');
  });

  it('does not outlast a limit around it, and a cancel interrupts both', async () => {
    const late = await run(nested, agents);
    await late.advance('1m');
    expect(late.failure).toMatchObject({ details: { timeLimitMs: 60_000 } });
    const canceled = await run(nested, agents);
    await canceled.cancel('enough');
    expect(canceled.status).toBe('canceled');
  });
});
