import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventNames } from './contract.ts';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';
import { completed } from './testing/scripted-activities.ts';
import { runId, startRun } from './testing/start-run.ts';
import { defineWorkflow } from './workflow.ts';

const workflow = (run: (mesh: Mesh, input: unknown) => Step<unknown>) =>
  defineWorkflow({
    name: 'events',
    version: 1,
    description: 'events',
    input: z.unknown(),
    output: z.unknown(),
    async *run(mesh, input) {
      return { result: yield* run(mesh, input) };
    },
  });

const twoCalls = workflow(async function* (mesh) {
  const first = yield* mesh.call({ skill: 'a' }, {});
  const second = yield* mesh.call({ skill: 'b' }, {});
  return [first, second];
});

describe('events of the kit', () => {
  it('may come before anyone waits for them', async () => {
    const { engine, activities } = startRun(
      twoCalls,
      {},
      { agents: { a: () => ({ later: completed(1) }), b: () => ({ later: completed(2) }) } },
    );
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: [1, 2] } });
  });

  it('count once, however often they are raised', async () => {
    const question = { id: 'q', prompt: 'sure?', actions: ['approve' as const] };
    const asking = workflow((mesh) => mesh.call({ skill: 'a' }, {}, { onQuestion: () => ({ action: 'approve' }) }));
    const { engine, activities } = startRun(asking, {}, { agents: { a: () => 'open' } });
    await engine.settle();
    const name = eventNames.call(activities.sent[0]?.callId ?? '', 1);
    const asked = { n: 1, token: activities.token, payload: { status: 'question', question, agent: 'a', taskId: 't' } };
    engine.raise(name, asked);
    await engine.settle();
    engine.raise(name, asked);
    engine.raise(name, asked);
    await engine.settle();
    expect(activities.log.filter((line) => line.startsWith('answerCall'))).toHaveLength(1);
    engine.raise(name, { n: 2, token: activities.token, payload: completed({ ok: true }) });
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: { ok: true } } });
  });

  it.each([
    { n: 1, token: 'another', payload: completed('forged') },
    { payload: completed('forged') },
    completed('forged'),
    'forged',
    null,
  ])('are dropped without the token of the run: %j', async (forged) => {
    const { engine, activities } = startRun(twoCalls, {}, { agents: { a: () => 'open' } });
    await engine.settle();
    const callId = activities.sent[0]?.callId ?? '';
    engine.raise(eventNames.call(callId, 1), forged);
    engine.raise(eventNames.cancel, forged);
    await engine.settle();
    expect(engine.status).toBe('running');
    expect(activities.sent).toHaveLength(1);
    activities.settle(callId, 1, completed('true'));
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: ['true', {}] } });
  });

  it('are reported as seen with the next activity', async () => {
    const telling = workflow(async function* (mesh) {
      yield* mesh.call({ skill: 'a' }, {});
      yield* mesh.progress('after');
    });
    const { engine, activities } = startRun(telling, {}, { agents: { a: () => 'open' } });
    await engine.settle();
    const name = eventNames.call(activities.sent[0]?.callId ?? '', 1);
    engine.raise(name, { n: 3, token: activities.token, payload: completed({}) });
    await engine.settle();
    expect(activities.progressed[0]?.seen).toEqual({ below: 1, above: [3] });
  });
});

describe('events of users', () => {
  it('raised straight to the instance are proposed to the rows, and the run goes on with their verdict', async () => {
    const waiting = workflow((mesh) => mesh.waitFor('Approval_Received', { timeout: '1h' }));
    const { engine, activities } = startRun(waiting, {});
    engine.raise('approval_received', 0);
    await engine.settle();
    expect(activities.log).toEqual([
      'claim 0',
      'wait approval_received',
      'propose approval_received',
      'finish completed',
    ]);
    expect(activities.end).toEqual({ status: 'completed', output: { result: { status: 'received', payload: 0 } } });
  });

  it('end a wait by what the row says, also that its time is over', async () => {
    const waiting = workflow((mesh) => mesh.waitFor('go', { timeout: '1h' }));
    const { engine, activities } = startRun(waiting, {});
    await engine.settle();
    activities.receive('go', { status: 'timed-out' });
    engine.raise('go', { late: true });
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: { status: 'timed-out' } } });
  });

  it('answer a question that names them', async () => {
    const asking = workflow((mesh) =>
      mesh.ask({ prompt: 'how many?', actions: ['answer'], schema: z.int(), event: 'Counted' }),
    );
    const { engine, activities } = startRun(asking, {});
    await engine.settle();
    expect(activities.openQuestions[0]).toMatchObject({ event: 'counted', schema: { type: 'integer' } });
    engine.raise('Counted', 4);
    await engine.settle();
    expect(activities.end).toEqual({
      status: 'completed',
      output: { result: { status: 'answered', answer: { action: 'answer', value: 4 }, by: 'event', approvals: [] } },
    });
  });

  it('are proposed once where two branches wait for the same name', async () => {
    const both = workflow((mesh) => mesh.all([mesh.waitFor('go'), mesh.waitFor('go')]));
    const { engine, activities } = startRun(both, {});
    await engine.settle();
    engine.raise('go', 1);
    await engine.settle();
    expect(activities.log.filter((line) => line === 'propose go')).toHaveLength(1);
    expect(engine.status).toBe('running');
    engine.raise('go', 1);
    await engine.settle();
    expect(new Set(activities.proposalIds).size).toBe(2);
    const result = [1, 1].map((payload) => ({ status: 'received', payload }));
    expect(activities.end).toEqual({ status: 'completed', output: { result } });
  });
});

describe('continueAsNew', () => {
  const rounds = workflow(async function* (mesh, input) {
    const { round } = z.object({ round: z.number() }).parse(input);
    const { payload } = z.object({ payload: z.number() }).parse(yield* mesh.waitFor('tick'));
    yield* mesh.call({ skill: 'a' }, { round, payload });
    yield* mesh.progress(`round ${round}`);
    if (round < 3) return yield* mesh.continueAsNew({ round: round + 1 });
    return { round };
  });

  it('loses no event, repeats no id and remembers what was seen', async () => {
    const { engine, activities } = startRun(rounds, { round: 0 }, { agents: { a: () => ({ later: completed({}) }) } });
    await engine.settle();
    for (const payload of [10, 11, 12, 13]) engine.raise('tick', payload);
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: { round: 3 } } });
    expect(activities.sent.map((call) => call.input)).toEqual(
      [10, 11, 12, 13].map((payload, round) => ({ round, payload })),
    );
    expect(new Set(activities.sent.map((call) => call.callId)).size).toBe(4);
    expect(new Set(activities.sent.map((call) => call.messageId)).size).toBe(4);
    expect(activities.log.filter((line) => line.startsWith('claim'))).toEqual([
      'claim 0',
      'claim 1',
      'claim 2',
      'claim 3',
    ]);
    // Two events a round: the verdict on the wait, and the outcome of the call.
    expect(activities.progressed.map(({ generation, seen }) => [generation, seen.below])).toEqual([
      [0, 3],
      [1, 5],
      [2, 7],
      [3, 9],
    ]);
  });

  it('drops in the next generation what was seen in the one before', async () => {
    const { engine, activities } = startRun(rounds, { round: 2 });
    await engine.settle();
    activities.receive('tick', { status: 'received', payload: 1 });
    await engine.settle();
    expect(activities.log).toContain('claim 1');
    engine.raise(eventNames.cancel, { n: 1, token: activities.token, payload: {} });
    await engine.settle();
    expect(engine.status).toBe('running');
    activities.raise(runId, eventNames.cancel, {});
    await engine.settle();
    expect(activities.end).toMatchObject({ status: 'canceled' });
  });

  it('is refused in a branch', async () => {
    const branching = workflow((mesh) => mesh.all([mesh.continueAsNew({}), mesh.call({ skill: 'a' }, {})]));
    const { engine, activities } = startRun(branching, {});
    await engine.settle();
    expect(activities.log).not.toContain('claim 1');
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'INTERNAL' } });
  });

  it('is refused while something could still be undone', async () => {
    const forgetful = workflow(async function* (mesh) {
      yield* mesh.call({ skill: 'a' }, {}, { undo: { target: { agent: 'u' }, input: () => ({}) } });
      return yield* mesh.continueAsNew({});
    });
    const { engine, activities } = startRun(forgetful, {});
    await engine.settle();
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'INTERNAL' }, undone: ['a at 0'] });
  });
});
