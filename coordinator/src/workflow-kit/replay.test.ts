import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventNames } from './contract.ts';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';
import { completed } from './testing/scripted-activities.ts';
import { runId, startRun } from './testing/start-run.ts';
import { defineWorkflow } from './workflow.ts';

const workflow = (run: (mesh: Mesh) => Step<unknown>) =>
  defineWorkflow({
    name: 'steps',
    version: 1,
    description: 'steps',
    input: z.unknown(),
    output: z.unknown(),
    async *run(mesh) {
      return { result: yield* run(mesh) };
    },
  });

/** Three calls, a sleep, a wait for an event; it stands at that wait. */
const original = workflow(async function* (mesh) {
  yield* mesh.call({ skill: 'extract' }, { n: 1 });
  yield* mesh.all([mesh.call({ skill: 'left' }, {}), mesh.call({ skill: 'right' }, {})]);
  yield* mesh.sleep('1h');
  return yield* mesh.waitFor('approval');
});

const changes: [change: string, changed: (mesh: Mesh) => Step<unknown>, message: string][] = [
  [
    'another skill is called',
    (mesh) => mesh.call({ skill: 'draft' }, { n: 1 }),
    'step 0 was call extract, the code now makes call draft',
  ],
  [
    'a call gets another input',
    (mesh) => mesh.call({ skill: 'extract' }, { n: 2 }),
    'step 0 was call extract, the code now gives it another input',
  ],
  [
    'a call gets another time limit',
    (mesh) => mesh.call({ skill: 'extract' }, { n: 1 }, { timeout: '1m' }),
    'step 0 was call extract, the code now gives it another input',
  ],
  [
    'a step is another kind of step',
    (mesh) => mesh.ask({ prompt: 'Go on?' }),
    'step 0 was call extract, the code now makes a question',
  ],
  [
    'a step is put before the first',
    async function* (mesh) {
      yield* mesh.progress('begun');
      yield* mesh.call({ skill: 'extract' }, { n: 1 });
    },
    'step 0 was call extract, the code now makes a progress report',
  ],
  [
    'a step is removed',
    async function* (mesh) {
      yield* mesh.all([mesh.call({ skill: 'left' }, {}), mesh.call({ skill: 'right' }, {})]);
      yield* mesh.sleep('1h');
      return yield* mesh.waitFor('approval');
    },
    'step 0 was call extract, the code now makes step 0/0/0, call left, instead',
  ],
  [
    'branches are reordered',
    async function* (mesh) {
      yield* mesh.call({ skill: 'extract' }, { n: 1 });
      yield* mesh.all([mesh.call({ skill: 'right' }, {}), mesh.call({ skill: 'left' }, {})]);
      yield* mesh.sleep('1h');
    },
    'step 1/0/0 was call left, the code now makes call right',
  ],
  [
    'a branch is removed',
    async function* (mesh) {
      yield* mesh.call({ skill: 'extract' }, { n: 1 });
      yield* mesh.all([mesh.call({ skill: 'left' }, {})]);
      yield* mesh.sleep('1h');
    },
    'step 1/1/0 was call right, the code now makes no such step',
  ],
  [
    'it sleeps longer',
    async function* (mesh) {
      yield* mesh.call({ skill: 'extract' }, { n: 1 });
      yield* mesh.all([mesh.call({ skill: 'left' }, {}), mesh.call({ skill: 'right' }, {})]);
      yield* mesh.sleep('2h');
    },
    'step 2 was sleep, the code now gives it another input',
  ],
  [
    'it waits for another event',
    async function* (mesh) {
      yield* mesh.call({ skill: 'extract' }, { n: 1 });
      yield* mesh.all([mesh.call({ skill: 'left' }, {}), mesh.call({ skill: 'right' }, {})]);
      yield* mesh.sleep('1h');
      return yield* mesh.waitFor('refusal');
    },
    'step 3 was wait for approval, the code now makes wait for refusal',
  ],
  [
    'the last step is removed',
    async function* (mesh) {
      yield* mesh.call({ skill: 'extract' }, { n: 1 });
      yield* mesh.all([mesh.call({ skill: 'left' }, {}), mesh.call({ skill: 'right' }, {})]);
      yield* mesh.sleep('1h');
    },
    'step 3 was wait for approval, the code now makes the end of the run',
  ],
  [
    'the mismatch is caught by the workflow',
    async function* (mesh) {
      try {
        yield* mesh.call({ skill: 'draft' }, {});
      } catch {
        // what comes next would fit again
      }
      yield* mesh.all([mesh.call({ skill: 'left' }, {}), mesh.call({ skill: 'right' }, {})]);
    },
    'step 0 was call extract, the code now makes call draft',
  ],
];

const sending = (skill: string) => workflow((mesh) => mesh.call({ skill }, {}));

describe('a replay with changed code', () => {
  it.each(changes)('stalls the run where %s, and fitting code lets it go on', async (_change, changed, message) => {
    const { engine, activities } = startRun(original, {});
    await engine.settle();
    expect(activities.log.at(-1)).toBe('wait approval');
    const before = activities.log.length;

    engine.replaceCode(workflow(changed));
    activities.raise(runId, eventNames.resume, {});
    await engine.settle();
    expect(engine.status).toBe('stalled');
    expect(engine.failure).toEqual({ type: 'NON_DETERMINISM', message: expect.stringContaining(message) });
    expect(activities.log).toHaveLength(before);

    engine.replaceCode(original);
    activities.receive('approval', { status: 'received', payload: { by: 'ann' } });
    await engine.settle();
    expect(activities.log.slice(before)).toEqual(['note resumed', 'finish completed']);
    expect(activities.end).toEqual({
      status: 'completed',
      output: { result: { status: 'received', payload: { by: 'ann' } } },
    });
  });

  it('goes on where a step was added that the run has not reached', async () => {
    const { engine, activities } = startRun(original, {});
    await engine.settle();
    engine.replaceCode(
      workflow(async function* (mesh) {
        yield* mesh.call({ skill: 'extract' }, { n: 1 });
        yield* mesh.all([mesh.call({ skill: 'left' }, {}), mesh.call({ skill: 'right' }, {})]);
        yield* mesh.sleep('1h');
        yield* mesh.waitFor('approval');
        return yield* mesh.call({ skill: 'publish' }, {});
      }),
    );
    activities.receive('approval', { status: 'timed-out' });
    await engine.settle();
    expect(activities.sent.at(-1)?.target).toEqual({ skill: 'publish' });
    expect(activities.end?.status).toBe('completed');
  });

  it('finds the change of a call that is still out', async () => {
    const { engine, activities } = startRun(sending('a'), {}, { agents: { a: () => 'open' } });
    await engine.settle();
    engine.replaceCode(sending('b'));
    const [call] = activities.sent;
    activities.settle(call?.callId ?? '', 1, completed({ done: true }));
    await engine.settle();
    expect(engine.failure).toEqual({
      type: 'NON_DETERMINISM',
      message: expect.stringContaining('step 0 was call a, the code now makes call b'),
    });

    engine.replaceCode(sending('a'));
    activities.raise(runId, eventNames.resume, {});
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: { done: true } } });
  });
});
