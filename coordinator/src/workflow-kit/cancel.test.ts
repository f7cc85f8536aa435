import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventNames } from './contract.ts';
import type { Step } from './orchestration.ts';
import { completed, failed, type Script } from './testing/scripted-activities.ts';
import { runId, type StartedRun, startRun } from './testing/start-run.ts';
import { defineWorkflow } from './workflow.ts';

const undo = (name: string) => ({
  undo: { target: { agent: `undo-${name}` }, input: (result: unknown) => ({ name, result: result ?? null }) },
});

/** Waits in every way there is. */
const saga = defineWorkflow({
  name: 'saga',
  version: 1,
  description: 'waits in every way there is',
  input: z.unknown(),
  output: z.unknown(),
  async *run(mesh) {
    yield* mesh.call({ skill: 'a' }, {}, undo('a'));
    yield* mesh.progress('begun');
    yield* mesh.all([
      mesh.call({ skill: 'b' }, {}, undo('b')),
      mesh.call({ skill: 'c' }, {}, undo('c')),
      mesh.sleep('5s'),
    ]);
    yield* mesh.ask({ prompt: 'go on?' });
    yield* mesh.waitFor('go');
    yield* mesh.call({ skill: 'flaky' }, {}, undo('flaky'));
    yield* mesh.activity('write', {});
    yield* mesh.call({ skill: 'd' }, {}, undo('d'));
    return { done: true };
  },
});

const sagaScript = (): Script => {
  let attempts = 0;
  return {
    agents: {
      c: () => ({ later: completed({ by: 'c' }) }),
      flaky: () => (++attempts === 1 ? failed('busy') : { later: completed({ attempts }) }),
    },
    local: () => ({}),
  };
};

/** Answers and raises what the saga waits for. */
function play({ engine, activities }: StartedRun): void {
  engine.beforeTurn = () => {
    for (const question of activities.openQuestions) {
      activities.decide(question.questionId, { status: 'answered', answer: { action: 'approve' }, by: 'me' });
    }
    activities.receive('go', { status: 'received', payload: {} });
  };
}

const cancel = ({ activities }: StartedRun): void => activities.raise(runId, eventNames.cancel, { reason: 'enough' });

/** Cancels a saga right before one of its turns. */
async function cancelAt(at: number): Promise<StartedRun> {
  const run = startRun(saga, {}, sagaScript());
  play(run);
  const { beforeTurn } = run.engine;
  run.engine.beforeTurn = (turn) => {
    beforeTurn(turn);
    if (turn === at) cancel(run);
  };
  await run.engine.settle();
  return run;
}

describe('cancel', () => {
  it('ends the run at every point it can wait at, undoing in reverse what was begun', async () => {
    const whole = startRun(saga, {}, sagaScript());
    play(whole);
    await whole.engine.settle();
    expect(whole.activities.end).toEqual({ status: 'completed', output: { done: true } });
    const { turns } = whole.engine;

    const runs = [];
    for (let at = 1; at <= turns; at++) runs.push(await cancelAt(at));
    const canceled = runs.filter((run) => run.activities.end?.status === 'canceled');
    // A cancellation that comes when everything is done changes nothing.
    expect(turns - canceled.length).toBeLessThanOrEqual(2);
    for (const { engine, activities } of canceled) {
      const begun = activities.sent.filter((call) => !call.compensating && call.attempt === 1);
      const undone = activities.sent.filter((call) => call.compensating);
      expect(undone.map(({ target }) => 'agent' in target && target.agent)).toEqual(
        begun.map((call) => `undo-${call.target.skill}`).toReversed(),
      );
      const labels = begun.map((call) => `${call.target.skill} at ${call.path}`).toReversed();
      expect(activities.end).toEqual({ status: 'canceled', reason: 'enough', undone: labels });
      expect(activities.openQuestions).toEqual([]);
      expect(activities.log.at(-1)).toBe('finish canceled');
      expect(engine.status).toBe('completed');
    }
    const undone = canceled.map((run) => run.activities.sent.filter((call) => call.compensating).length);
    expect(new Set(undone)).toEqual(new Set([1, 3, 4, 5]));
  });

  it('abandons an open call and gives its undo the result it had after all', async () => {
    const script = {
      agents: { a: () => 'open' as const },
      onAbandon: () => ({
        ...completed({ id: 7 }),
        status: 'completed' as const,
        output: { id: 7 },
        agent: 'x',
        taskId: 't',
      }),
    };
    const run = startRun(saga, {}, script);
    await run.engine.settle();
    cancel(run);
    await run.engine.settle();
    expect(run.activities.log).toContain('abandon 1');
    expect(run.activities.sent.at(-1)).toMatchObject({ input: { name: 'a', result: { id: 7 } } });
  });

  it('does not undo a call that was rejected', async () => {
    const failure = { code: 'X', message: 'not mine', retryable: false };
    const { engine, activities } = startRun(saga, {}, { agents: { a: () => ({ status: 'rejected', failure }) } });
    await engine.settle();
    expect(activities.sent).toHaveLength(1);
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'PEER_REJECTED' }, undone: [] });
  });

  it('runs nothing when the run was canceled before it began', async () => {
    const { engine, activities } = startRun(saga, {});
    activities.canceled = true;
    await engine.settle();
    expect(activities.log).toEqual(['claim 0', 'finish canceled']);
  });

  it('ends without effect when the claim says stop', async () => {
    const { engine, activities } = startRun(saga, {});
    activities.stopped = true;
    await engine.settle();
    expect(activities.log).toEqual(['claim 0']);
    expect(engine.status).toBe('completed');
  });

  it('cannot be swallowed, not even by code that tries again for ever', async () => {
    const stubborn = defineWorkflow({
      name: 'stubborn',
      version: 1,
      description: 'tries again',
      input: z.unknown(),
      output: z.unknown(),
      async *run(mesh): Step<unknown> {
        for (;;) {
          try {
            yield* mesh.call({ skill: 'a' }, {});
          } catch {
            // tries again
          }
        }
      },
    });
    const run = startRun(stubborn, {}, { agents: { a: () => 'open' } });
    await run.engine.settle();
    cancel(run);
    await run.engine.settle();
    expect(run.activities.end).toMatchObject({ status: 'canceled' });
  });
});

describe('compensation', () => {
  const pair = defineWorkflow({
    name: 'pair',
    version: 1,
    description: 'two steps and a failure',
    input: z.unknown(),
    output: z.unknown(),
    async *run(mesh) {
      yield* mesh.call({ skill: 'a' }, {}, undo('a'));
      mesh.compensate('own', async function* () {
        yield* mesh.activity('clean', {});
      });
      yield* mesh.call({ skill: 'bad' }, {});
    },
  });

  it('runs when the workflow fails, newest first', async () => {
    const { engine, activities } = startRun(pair, {}, { agents: { bad: () => failed('bad', false) } });
    await engine.settle();
    expect(activities.log.slice(3)).toEqual([
      'note compensation-started',
      'local clean',
      'send undo/0/0#1',
      'note compensation-completed',
      'finish failed',
    ]);
    expect(activities.end).toMatchObject({
      failure: { code: 'PEER_FAILED' },
      undone: ['own', 'a at 0'],
      notUndone: [],
    });
  });

  it('is tried again and again, whatever the agent says, and then ends the run as COMPENSATION_FAILED', async () => {
    const { engine, activities } = startRun(
      pair,
      {},
      {
        agents: { bad: () => failed('bad', false), '': () => failed('cannot', false) },
      },
    );
    await engine.settle();
    expect(activities.sent.filter((call) => call.compensating)).toHaveLength(10);
    expect(activities.end).toMatchObject({
      status: 'failed',
      failure: { code: 'COMPENSATION_FAILED', details: { cause: { code: 'PEER_FAILED' } } },
      undone: ['own'],
      notUndone: ['a at 0'],
    });
  });

  it('is not interrupted by a cancel', async () => {
    const run = startRun(pair, {}, { agents: { bad: () => failed('bad', false), '': () => 'open' } });
    await run.engine.settle();
    cancel(run);
    await run.engine.settle();
    run.activities.settle(run.activities.sent.at(-1)?.callId ?? '', 1, completed({}));
    await run.engine.settle();
    expect(run.activities.end).toMatchObject({
      status: 'failed',
      failure: { code: 'PEER_FAILED' },
      undone: ['own', 'a at 0'],
    });
  });

  it('forgets what was committed', async () => {
    const committed = defineWorkflow({
      name: 'committed',
      version: 1,
      description: 'commits',
      input: z.unknown(),
      output: z.unknown(),
      async *run(mesh) {
        yield* mesh.call({ skill: 'a' }, {}, undo('a'));
        mesh.commit();
        throw new TypeError('a bug');
      },
    });
    const { engine, activities } = startRun(committed, {});
    await engine.settle();
    expect(activities.end).toEqual({
      status: 'failed',
      failure: { code: 'INTERNAL', message: 'the workflow failed unexpectedly', retryable: false },
      undone: [],
      notUndone: [],
    });
  });
});

describe('a run that was canceled while it had no instance', () => {
  const hour = 60 * 60_000;
  const nightly = defineWorkflow({
    ...saga,
    async *run(mesh) {
      yield* mesh.all([
        (async function* (): Step<void> {
          yield* mesh.call({ skill: 'a' }, {}, undo('a'));
          yield* mesh.sleep(hour);
          yield* mesh.call({ skill: 'flaky' }, {}, undo('b'));
        })(),
        mesh.call({ skill: 'open' }, {}, undo('c')),
      ]);
      return {};
    },
  });
  const begin = (): StartedRun => {
    let attempts = 0;
    const agents = {
      flaky: () => (++attempts === 1 ? failed('busy') : completed({ attempts })),
      open: () => 'open' as const,
    };
    return startRun(nightly, {}, { agents });
  };

  it('is gone through again as far as it came, without waiting for the clock, and undone', async () => {
    const first = begin();
    await first.engine.settle();
    first.engine.stop();
    Object.assign(first.activities, { canceled: true, begun: true });
    const startedOver = { activities: first.activities, token: 'another' };
    const { engine, activities } = startRun(nightly, {}, {}, { startedOver });
    const began = engine.now;
    await engine.settle();
    expect(activities.end).toMatchObject({ status: 'canceled' });
    const undone = activities.sent.filter((call) => call.compensating).map(({ input }) => input);
    expect(undone).toMatchObject([{ name: 'b', result: { attempts: 2 } }, { name: 'c' }, { name: 'a' }]);
    expect(engine.now - began).toBeLessThan(hour);
  });

  it('says first, in a later generation, what those before it left to be undone', async () => {
    const eternal = defineWorkflow({
      name: 'eternal',
      version: 1,
      description: 'hands on what is to be cleaned',
      input: z.unknown(),
      output: z.unknown(),
      async *run(mesh) {
        mesh.compensate('what is left', { activity: 'clean', input: {} });
        yield* mesh.call({ skill: 'a' }, {});
        mesh.commit();
        return yield* mesh.continueAsNew({});
      },
    });
    const run = startRun(eternal, {}, { local: () => ({}) });
    // The cancel comes between the last wait of a generation and the claim of the next.
    run.engine.beforeTurn = () => (run.activities.canceled = run.activities.claims.length > 0);
    await run.engine.settle();
    expect(run.activities.claims.map(({ generation }) => generation)).toEqual([0, 1]);
    expect(run.activities.end).toEqual({ status: 'canceled', undone: ['what is left'] });
    expect(run.activities.log).toContain('local clean');
  });

  it('does nothing where it had done nothing', async () => {
    const run = begin();
    Object.assign(run.activities, { canceled: true, begun: false });
    await run.engine.settle();
    expect(run.activities.end).toMatchObject({ status: 'canceled' });
    expect(run.activities.sent).toEqual([]);
  });
});
