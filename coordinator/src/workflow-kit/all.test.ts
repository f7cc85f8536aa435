import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { AllOptions } from './all.ts';
import type { CallOutcome } from './contract.ts';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';
import { completed, failed } from './testing/scripted-activities.ts';
import { startRun } from './testing/start-run.ts';
import { defineWorkflow } from './workflow.ts';

const workflow = (run: (mesh: Mesh) => Step<unknown>) =>
  defineWorkflow({
    name: 'branches',
    version: 1,
    description: 'branches',
    input: z.unknown(),
    output: z.unknown(),
    async *run(mesh) {
      return { result: yield* run(mesh) };
    },
  });

const fanOut = (count: number, options: AllOptions & { onFailure: 'collect' }) =>
  workflow((mesh) =>
    mesh.all(
      Array.from({ length: count }, (_, n) => mesh.call({ skill: 'work' }, { n })),
      options,
    ),
  );

const numberOf = (input: unknown): number => z.object({ n: z.number() }).parse(input).n;

describe('all', () => {
  it('gives the results in the order of the branches, whatever order they end in', async () => {
    const { engine, activities } = startRun(
      fanOut(20, { onFailure: 'collect' }),
      {},
      { agents: { work: () => 'open' } },
    );
    await engine.settle();
    expect(activities.sent).toHaveLength(20);
    for (const call of activities.sent.toReversed()) {
      activities.settle(call.callId, 1, completed(numberOf(call.input)));
      await engine.settle();
    }
    const result = Array.from({ length: 20 }, (_, value) => ({ ok: true, value }));
    expect(activities.end).toEqual({ status: 'completed', output: { result } });
  });

  it('never has more branches under way than its limit', async () => {
    const { engine, activities } = startRun(
      fanOut(12, { limit: 5, onFailure: 'collect' }),
      {},
      { agents: { work: () => 'open' } },
    );
    await engine.settle();
    for (let ended = 0; ended < 12; ended++) {
      expect(activities.sent).toHaveLength(Math.min(ended + 5, 12));
      activities.settle(activities.sent[ended]?.callId ?? '', 1, completed({}));
      await engine.settle();
    }
    expect(activities.end?.status).toBe('completed');
  });

  it('nests, each level with its own limit', async () => {
    const nested = workflow((mesh) =>
      mesh.all(
        Array.from({ length: 4 }, (_, outer) =>
          mesh.all(
            Array.from({ length: 25 }, (_, inner) => mesh.call({ skill: 'work' }, { n: outer * 25 + inner })),
            { limit: 3 },
          ),
        ),
        { limit: 2 },
      ),
    );
    let underway = 0;
    let most = 0;
    const { engine, activities } = startRun(
      nested,
      {},
      {
        agents: {
          work: ({ input }) => {
            most = Math.max(most, ++underway);
            queueMicrotask(() => underway--);
            return { later: completed(numberOf(input)) };
          },
        },
      },
    );
    await engine.settle();
    expect(activities.sent).toHaveLength(100);
    expect(most).toBeLessThanOrEqual(6);
    expect(new Set(activities.sent.map((call) => call.callId)).size).toBe(100);
    const result = Array.from({ length: 4 }, (_, outer) =>
      Array.from({ length: 25 }, (_, inner) => outer * 25 + inner),
    );
    expect(activities.end).toEqual({ status: 'completed', output: { result } });
  });

  it('gives the same ids whatever order the branches advance in', async () => {
    const twoSteps = workflow((mesh) => {
      const branch = async function* (n: number): Step<unknown> {
        yield* mesh.call({ skill: 'first' }, { n });
        return yield* mesh.call({ skill: 'second' }, { n });
      };
      return mesh.all([branch(0), branch(1), branch(2)]);
    });
    const idsOf = async (order: number[]): Promise<Record<string, string>> => {
      const { engine, activities } = startRun(twoSteps, {}, { agents: { first: () => 'open' } });
      await engine.settle();
      for (const n of order) {
        activities.settle(activities.sent[n]?.callId ?? '', 1, completed({}));
        await engine.settle();
      }
      expect(activities.end?.status).toBe('completed');
      return Object.fromEntries(activities.sent.map((call) => [call.path, call.callId]));
    };
    const ids = await idsOf([0, 1, 2]);
    expect(Object.keys(ids).toSorted()).toEqual(['0/0/0', '0/0/1', '0/1/0', '0/1/1', '0/2/0', '0/2/1']);
    expect(await idsOf([2, 0, 1])).toEqual(ids);
  });

  it('is done at once without branches', async () => {
    const { engine, activities } = startRun(
      workflow((mesh) => mesh.all([])),
      {},
    );
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: [] } });
  });

  it('lets every branch end where failures are collected', async () => {
    const { engine, activities } = startRun(
      fanOut(3, { onFailure: 'collect' }),
      {},
      {
        agents: {
          work: ({ input }) => (numberOf(input) === 1 ? failed('bad', false) : { later: completed(numberOf(input)) }),
        },
      },
    );
    await engine.settle();
    expect(activities.end).toMatchObject({
      status: 'completed',
      output: {
        result: [
          { ok: true, value: 0 },
          { ok: false, failure: { code: 'PEER_FAILED' } },
          { ok: true, value: 2 },
        ],
      },
    });
  });
});

const failing = (options: { undo: boolean }) =>
  workflow((mesh) => {
    const undo = options.undo
      ? { undo: { target: { agent: 'a' }, input: (result: unknown) => ({ undoing: result ?? 'nothing' }) } }
      : {};
    return mesh.all(
      [
        mesh.call({ skill: 'slow' }, { n: 0 }, undo),
        mesh.call({ skill: 'bad' }, { n: 1 }, { retry: { attempts: 1 } }),
        mesh.call({ skill: 'never-sent' }, { n: 2 }),
      ],
      { limit: 2 },
    );
  });

describe('all, failing fast', () => {
  it('gives up the others, waits until they are settled, and throws the failure', async () => {
    const { engine, activities } = startRun(
      failing({ undo: false }),
      {},
      {
        agents: { slow: () => 'open', bad: () => failed('bad', false) },
      },
    );
    await engine.settle();
    expect(activities.log).toEqual(['claim 0', 'send 0/0/0#1', 'send 0/1/0#1', 'abandon 1', 'finish failed']);
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'PEER_FAILED', message: 'bad: bad' } });
  });

  it('counts a given-up call that completed after all as done, and undoes it', async () => {
    const { engine, activities } = startRun(
      failing({ undo: true }),
      {},
      {
        agents: { slow: () => 'open', bad: () => failed('bad', false) },
        // It was already done when the cancellation arrived.
        onAbandon: () => completed({ light: 'on' }) as Exclude<CallOutcome, { status: 'question' }>,
      },
    );
    await engine.settle();
    expect(activities.sent.at(-1)).toMatchObject({
      path: 'undo/0/0',
      input: { undoing: { light: 'on' } },
      compensating: true,
    });
    expect(activities.end).toMatchObject({ status: 'failed', undone: ['slow at 0/0/0'], notUndone: [] });
  });

  it('hands what it still waits for over to a cancel', async () => {
    const { engine, activities } = startRun(
      failing({ undo: true }),
      {},
      {
        agents: { slow: () => 'open', bad: () => failed('bad', false) },
        onAbandon: () => 'never',
      },
    );
    engine.autoTime = false;
    await engine.settle();
    activities.raise(engine.instanceId, 'cancel', {});
    await engine.settle();
    activities.settle(activities.sent[0]?.callId ?? '', 1, completed({ light: 'on' }));
    await engine.settle();
    expect(activities.sent.at(-1)).toMatchObject({ compensating: true, input: { undoing: { light: 'on' } } });
    expect(activities.end).toMatchObject({ status: 'canceled', undone: ['slow at 0/0/0'] });
  });

  it('waits for a call nobody can tell about only so long', async () => {
    const { engine, activities } = startRun(
      failing({ undo: true }),
      {},
      {
        agents: { slow: () => 'open', bad: () => failed('bad', false) },
        onAbandon: () => 'never',
      },
    );
    const begun = engine.now;
    await engine.settle();
    expect(engine.now - begun).toBe(30_000);
    expect(activities.sent.at(-1)).toMatchObject({ input: { undoing: 'nothing' } });
  });

  it('runs the finally blocks of given-up branches and refuses their further steps', async () => {
    const trace: string[] = [];
    const cleaning = workflow((mesh) => {
      const branch = async function* (): Step<unknown> {
        try {
          return yield* mesh.call({ skill: 'slow' }, {});
        } catch (error) {
          trace.push(`caught ${(error as Error).message}`);
          return yield* mesh.call({ skill: 'more' }, {});
        } finally {
          trace.push('finally');
        }
      };
      return mesh.all([branch(), mesh.call({ skill: 'bad' }, {})]);
    });
    const { engine, activities } = startRun(
      cleaning,
      {},
      { agents: { slow: () => 'open', bad: () => failed('bad', false) } },
    );
    await engine.settle();
    expect(new Set(trace)).toEqual(new Set(['caught another branch failed', 'finally']));
    expect(activities.sent.map((call) => call.target.skill)).toEqual(['slow', 'bad']);
  });
});
