import { TaskState } from '@a2a-js/sdk';
import { dataOf, textOf } from '@daca-mesh/protocol';
import { all } from '@daca-mesh/protocol/server';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listQuestions } from '../inbox/inbox.ts';
import { createPayloadStore } from '../store/payloads.ts';
import { query } from '../store/schema.ts';
import { eventNames, type RunEnd } from '../workflow-kit/contract.ts';
import { isFresh, requireRun } from './run-rows.ts';
import type { Script } from './testing/scripted-engine.ts';
import { callOf, TestMesh } from './testing/test-mesh.ts';

const end: Script = async ({ activities, input, scope }) => {
  await activities.finish({ ...scope(), end: input as RunEnd });
};

/** Waits for its cancel, then says so. */
const cancelable: Script = async ({ activities, scope, event }) => {
  const cancel = await event(eventNames.cancel);
  await activities.finish({ ...scope(), end: { status: 'canceled', undone: [], reason: JSON.stringify(cancel) } });
};

/** Leaves everything open that a run can leave open, then ends. */
const untidy: Script = async ({ activities, runId, scope }) => {
  await activities.send({ ...scope(), call: callOf(runId, 'open') });
  await activities.wait({ ...scope(), wait: { waitId: `${runId}-w1`, event: 'never', timeoutMs: 60_000 } });
  const question = {
    questionId: `${runId}-q1`,
    path: '0',
    prompt: 'Really?',
    actions: ['approve' as const],
    timeoutMs: 60_000,
  };
  await activities.ask({ ...scope(), question });
  await activities.finish({ ...scope(), end: { status: 'completed', output: { text: 'done' } } });
};

const broken: Script = () => Promise.reject(new Error('the workflow code threw'));

const waiting: Script = async ({ activities, runId, scope, event }) => {
  const wait = { waitId: `${runId}-w1`, event: 'Go', timeoutMs: 60_000 };
  const begun = await activities.wait({ ...scope(), wait });
  const outcome = begun.status === 'open' ? await event(eventNames.wait(wait.waitId)) : begun;
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

const approval: Script = async ({ activities, runId, scope, event }) => {
  const question = {
    questionId: `${runId}-q1`,
    path: '0',
    prompt: 'Ok?',
    actions: ['answer' as const],
    event: 'decided',
  };
  const asked = await activities.ask({ ...scope(), question });
  const outcome = asked.status === 'open' ? await event(eventNames.answer(question.questionId)) : asked;
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

/** Ends, and says a moment later that it ended in another way. */
const fickle: Script = async ({ activities, scope }) => {
  await activities.finish({ ...scope(), end: { status: 'completed', output: 'the first' } });
  await activities.finish({ ...scope(), end: { status: 'canceled', reason: 'the second', undone: [] } });
  await activities.progress({ ...scope(), message: 'too late' });
};

describe('a run', () => {
  let mesh: TestMesh;

  beforeEach(async () => {
    mesh = await TestMesh.create({ end, fickle, cancelable, untidy, broken, waiting, approval });
    await mesh.agent({ work: async ({ task }) => (await sleep(60_000, undefined, { signal: task.signal }), {}) });
    await mesh.start();
  });
  afterEach(() => mesh[Symbol.asyncDispose]());

  const reaches = (runId: string, status: string) =>
    vi.waitFor(async () => {
      const run = await mesh.coordinator.runs.get(runId);
      expect(run.status).toBe(status);
      return run;
    }, 10_000);

  it('tells no percentage that goes back', async () => {
    const runId = await mesh.run('cancelable');
    await reaches(runId, 'running');
    const scope = { runId, generation: 0, seen: { below: 1, above: [] } };
    for (const [message, percent] of [
      ['done', 90],
      ['undone', 10],
    ] as const) {
      await mesh.engine.activities.progress({ ...scope, message, percent });
    }
    const { progress } = await mesh.coordinator.runs.get(runId);
    expect(progress).toEqual({ message: 'undone', percent: 90 });
    expect((await mesh.timeline(runId)).at(-1)).toMatchObject({ type: 'progress', data: progress });
  });

  it('is one for the same key, and refuses the key with another input', async () => {
    const { runs } = mesh.coordinator;
    const options = { caller: 'local', messageId: 'key-1' };
    const started = await Promise.all(Array.from({ length: 20 }, () => runs.start('cancelable', { a: 1 }, options)));
    expect(new Set(started.map(({ runId }) => runId)).size).toBe(1);
    await expect(runs.start('cancelable', { a: 2 }, options)).rejects.toMatchObject({ code: 'MESSAGE_ID_REUSED' });
    expect((await runs.list({})).runs).toHaveLength(1);
  });

  it('ends in its task, its row and its timeline together', async () => {
    const completed = await mesh.run('end', { status: 'completed', output: { text: 'well' } } satisfies RunEnd);
    await reaches(completed, 'completed');
    const task = await mesh.task(completed);
    expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(dataOf(task.artifacts[0]?.parts)).toEqual([{ text: 'well' }]);
    expect(textOf(task.artifacts[0]?.parts)).toBe('well');

    const failure = { code: 'COMPENSATION_FAILED', message: 'could not undo it', retryable: false };
    const failed = await mesh.run('end', {
      status: 'failed',
      failure,
      undone: ['a'],
      notUndone: ['b'],
    } satisfies RunEnd);
    expect((await reaches(failed, 'failed')).error).toMatchObject({ ...failure, undone: ['a'], notUndone: ['b'] });
    const { status } = await mesh.task(failed);
    expect(status?.state).toBe(TaskState.TASK_STATE_FAILED);
    expect(textOf(status?.message?.parts)).toBe('could not undo it');
    expect(dataOf(status?.message?.parts)).toMatchObject([{ error: { code: 'COMPENSATION_FAILED' } }]);
  });

  it('ends once', async () => {
    const runId = await mesh.run('fickle');
    await vi.waitFor(() => expect(mesh.engine.instances.get(runId)?.status).toBe('completed'), 10_000);
    expect(await mesh.coordinator.runs.get(runId)).toMatchObject({ status: 'completed', output: 'the first' });
    expect(await mesh.timelineTypes(runId)).toEqual(['run-started', 'run-completed']);
    const task = await mesh.task(runId);
    expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(task.artifacts).toHaveLength(1);
  });

  it('leaves nothing open behind', async () => {
    const runId = await mesh.run('untidy');
    await reaches(runId, 'completed');
    const [questions, deadlines, waits] = await mesh.coordinator.database.read(function* () {
      return [
        yield* listQuestions({ runId, limit: 5 }),
        yield* all(query.selectFrom('deadlines').selectAll().where('run_id', '=', runId).compile()),
        yield* all(query.selectFrom('waits').selectAll().where('run_id', '=', runId).compile()),
      ] as const;
    });
    expect(questions.questions).toMatchObject([{ status: 'withdrawn' }]);
    expect(waits).toMatchObject([{ status: 'withdrawn' }]);
    expect(deadlines.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['purge']));
    expect(deadlines.map(({ kind }) => kind)).not.toContain('question');
    await vi.waitFor(async () => expect(await mesh.calls(runId)).toMatchObject([{ state: 'settled' }]), 10_000);
    expect((await mesh.calls(runId))[0]?.outcome).toContain('"canceled"');
    expect((await mesh.task(runId)).status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('is canceled once, whoever asks how often', async () => {
    const runId = await mesh.run('cancelable');
    await vi.waitFor(() => expect(mesh.engine.instances.has(runId)).toBe(true));
    const { runs } = mesh.coordinator;
    await Promise.all([runs.cancel(runId, 'not needed'), runs.cancel(runId, 'again')]);
    await mesh.server.core
      .cancelTask({ tenant: '', id: runId, metadata: undefined }, { caller: 'local' })
      .catch(() => undefined);
    await reaches(runId, 'canceled');
    expect(mesh.engine.raised).toHaveLength(1);
    expect((await mesh.task(runId)).status?.state).toBe(TaskState.TASK_STATE_CANCELED);
    expect((await mesh.timelineTypes(runId)).filter((type) => type === 'cancel-requested')).toHaveLength(1);
    await expect(runs.cancel(runId)).rejects.toMatchObject({ code: 'RUN_FINISHED' });
    await expect(runs.suspend(runId)).rejects.toMatchObject({ code: 'RUN_FINISHED' });
    await expect(runs.cancel('nobody')).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
  });

  it('that was canceled before it began is told so when it claims its row', async () => {
    mesh.engine.up = false;
    const runId = await mesh.run('cancelable');
    await mesh.coordinator.runs.cancel(runId);
    const { token } = await mesh.coordinator.database.read(function* () {
      return (yield* all(query.selectFrom('runs').select('token').where('run_id', '=', runId).compile()))[0]!;
    });
    const claim = { instanceId: runId, workflow: 'cancelable', version: 1, generation: 0 };
    const activities = mesh.engine.activities;
    expect(await activities.claim({ ...claim, token })).toMatchObject({ status: 'go', canceled: true });
    expect(await activities.claim({ ...claim, generation: 1, token })).toMatchObject({ begun: false, handed: true });
    expect(await activities.claim({ ...claim, token })).toMatchObject({ begun: false, handed: false });
    expect(await activities.claim({ ...claim, token: 'stale' })).toMatchObject({ status: 'stop' });
    expect(await activities.claim({ ...claim, input: {} })).toMatchObject({ status: 'stop' });
    mesh.engine.reconnect();
    await reaches(runId, 'canceled');
    expect(await activities.claim({ ...claim, token })).toMatchObject({ status: 'stop' });
  });

  it('is claimed by the first activity of a fresh instance, whatever that does, and of no other', async () => {
    mesh.engine.up = false;
    const runId = await mesh.run('waiting');
    const { runs, database } = mesh.coordinator;
    const { token } = await database.read(() => requireRun(runId));
    const { activities } = mesh.engine;
    const scope = { runId, generation: 0, seen: { below: 1, above: [] } };
    const done: RunEnd = { status: 'completed', output: {} };
    const wait = { waitId: `${runId}-w1`, event: 'Go' };
    const before = await mesh.timelineTypes(runId);
    for (const shown of ['stale', '']) {
      const stale = { ...scope, token: shown };
      const replaced = { code: 'INSTANCE_REPLACED' };
      await expect(activities.send({ ...stale, call: callOf(runId, 'work') })).rejects.toMatchObject(replaced);
      await expect(activities.wait({ ...stale, wait })).rejects.toMatchObject(replaced);
      await expect(activities.local({ ...stale, name: 'x', key: '0', input: {} })).rejects.toBeDefined();
      await expect(activities.finish({ ...stale, end: done })).rejects.toMatchObject(replaced);
    }
    expect(await mesh.timelineTypes(runId)).toEqual(before);
    expect((await runs.get(runId)).status).toBe('pending');
    await activities.wait({ ...scope, token, wait });
    expect((await runs.get(runId)).status).toBe('running');
    expect((await mesh.task(runId)).status?.state).toBe(TaskState.TASK_STATE_WORKING);
    await activities.finish({ ...scope, end: done });
    await expect(activities.progress({ ...scope, token, message: 'again' })).rejects.toMatchObject({
      code: 'INSTANCE_REPLACED',
      message: expect.stringContaining('ended'),
    });
  });

  it('that ends with its first activity ends well when that is executed again', async () => {
    mesh.engine.up = false;
    const runId = await mesh.run('waiting');
    const { token } = await mesh.coordinator.database.read(() => requireRun(runId));
    const { activities } = mesh.engine;
    const scope = { runId, generation: 0, seen: { below: 1, above: [] }, token };
    const end: RunEnd = { status: 'completed', output: {} };
    expect(await activities.finish({ ...scope, end })).toEqual({ status: 'ok' });
    expect(await activities.finish({ ...scope, end })).toEqual({ status: 'ok' });
    const replaced = { code: 'INSTANCE_REPLACED' };
    await expect(activities.finish({ ...scope, end, token: 'stale' })).rejects.toMatchObject(replaced);
    expect((await mesh.timelineTypes(runId)).filter((type) => type === 'run-completed')).toHaveLength(1);
  });

  it('that stalls before it began says on its task what it waits for, and that it goes on', async () => {
    mesh.engine.up = false;
    const runId = await mesh.run('waiting');
    const shown = async () => {
      const { status } = await mesh.task(runId);
      return [status?.state, textOf(status?.message?.parts)];
    };
    expect(await shown()).toEqual([TaskState.TASK_STATE_SUBMITTED, '']);
    mesh.coordinator.reportStall(runId, { reason: 'WORKFLOW_NOT_FOUND', message: 'there is no waiting@1' });
    await reaches(runId, 'stalled');
    expect(await shown()).toEqual([TaskState.TASK_STATE_WORKING, 'the run is stalled: there is no waiting@1']);
    const { token } = await mesh.coordinator.database.read(() => requireRun(runId));
    const note = { entry: { type: 'resumed' as const, data: {} } };
    await mesh.engine.activities.note({ runId, generation: 0, seen: { below: 1, above: [] }, token, ...note });
    expect(await shown()).toEqual([TaskState.TASK_STATE_WORKING, 'its workflow goes on']);
  });

  it('whose end cannot be stored is not started again for ever: it fails with its instance', async () => {
    await mesh.stop();
    await mesh.start({}, { engineUp: false, sweepMs: 100 });
    const runId = await mesh.run('waiting');
    const { token } = await mesh.coordinator.database.read(() => requireRun(runId));
    const scope = { runId, generation: 0, seen: { below: 1, above: [] }, token };
    const { engine } = mesh;
    const end: RunEnd = { status: 'completed', output: { notJson: 1n } };
    await expect(engine.activities.finish({ ...scope, end })).rejects.toThrow(/BigInt/u);
    const instance = { envelope: { $mesh: 1 as const, ...scope, input: {} }, received: [] };
    engine.instances.set(runId, { ...instance, status: 'failed', wake: Promise.withResolvers() });
    engine.reconnect();
    const { error } = await reaches(runId, 'failed');
    expect(error).toMatchObject({ code: 'INTERNAL', message: expect.stringContaining('without finishing') });
    expect((await mesh.task(runId)).status?.state).toBe(TaskState.TASK_STATE_FAILED);
  });

  it('is fresh until anything but its start happened to it: what was done must be found by a cancel', async () => {
    mesh.engine.up = false;
    const runId = await mesh.run('waiting');
    const { database } = mesh.coordinator;
    const row = await database.read(() => requireRun(runId));
    expect(isFresh(row)).toBe(true);
    expect(isFresh({ ...row, canceling: 1 })).toBe(false);
    expect(isFresh({ ...row, generation: 1 })).toBe(false);
    const { activities } = mesh.engine;
    const scope = { runId, generation: 0, seen: { below: 1, above: [] }, token: row.token };
    const child = { childId: `${runId}-child`, path: '0', workflow: 'waiting', version: 1, input: {} };
    expect(await activities.openChild({ ...scope, child })).toHaveProperty('fresh', true);
    expect(await activities.openChild({ ...scope, child })).not.toHaveProperty('fresh');
    expect(isFresh(await database.read(() => requireRun(runId)))).toBe(false);
  });

  it('may be born by an instance that was started through the engine', async () => {
    const { activities } = mesh.engine;
    const claim = { workflow: 'end', version: 1, generation: 0, instanceId: 'my-own-id' };
    expect(await activities.claim({ ...claim, input: 'no object' })).toMatchObject({ status: 'stop' });
    const first = await activities.claim({ ...claim, input: { a: 1 } });
    expect(first).toMatchObject({ status: 'go', runId: 'my-own-id', input: { a: 1 }, canceled: false });
    expect(await activities.claim({ ...claim, input: { a: 1 } })).toEqual(first);
    expect((await mesh.coordinator.runs.get('my-own-id')).status).toBe('running');
    expect(await activities.claim({ ...claim, instanceId: 'not/usable', input: {} })).toMatchObject({ status: 'stop' });
    expect(await activities.claim({ ...claim, instanceId: 'x', workflow: 'unknown', input: {} })).toMatchObject({
      status: 'stop',
    });
  });

  it('that is refused to such an instance leaves nothing of its large input behind', async () => {
    const { database } = mesh.coordinator;
    const store = createPayloadStore(database);
    const ref = { $ref: 'sha256:1', bytes: 20_000 };
    const claim = { workflow: 'end', version: 1, generation: 0, input: 'no object' };
    await store.put('kept', ref, '"large"');
    for (const instanceId of ['refused', 'not/usable']) {
      await store.put(instanceId, ref, '"large"');
      await store.put(instanceId, { ...ref, $ref: `sha256:${instanceId}` }, '"larger"');
      expect(await mesh.engine.activities.claim({ ...claim, instanceId })).toMatchObject({ status: 'stop' });
      expect(await store.get({ ...ref, $ref: `sha256:${instanceId}` })).toBeUndefined();
    }
    expect(await store.get(ref)).toBe('"large"');
  });

  it('whose instance is gone is started again as soon as the engine is there', async () => {
    const runId = await mesh.run('cancelable');
    await reaches(runId, 'running');
    await mesh.crash();
    await mesh.start({}, { engineUp: false, sweepMs: 60_000 });
    // The first connection is no reconnection: nobody tells of it.
    mesh.engine.up = true;
    await vi.waitFor(() => expect(mesh.engine.instances.has(runId)).toBe(true), 5_000);
    await mesh.coordinator.runs.cancel(runId);
    await reaches(runId, 'canceled');
  });

  it('whose instance ended without a word fails visibly', async () => {
    const runId = await mesh.run('broken');
    await vi.waitFor(() => expect(mesh.engine.failures).toHaveLength(1));
    await mesh.stop();
    mesh.scripts['broken'] = broken;
    await mesh.start({}, { sweepMs: 100 });
    const run = await reaches(runId, 'failed');
    expect(run.error).toMatchObject({ code: 'INTERNAL' });
    expect((await mesh.task(runId)).status?.state).toBe(TaskState.TASK_STATE_FAILED);
  });

  it('takes the event it waits for, once, whichever comes first', async () => {
    const { runs } = mesh.coordinator;
    const later = await mesh.run('waiting');
    await vi.waitFor(async () => expect(await mesh.timelineTypes(later)).toContain('waiting'));
    await runs.receiveEvent(later, 'GO', { n: 1 }, 'event-1');
    expect((await reaches(later, 'completed')).output).toEqual({ status: 'received', payload: { n: 1 } });

    mesh.engine.up = false;
    const earlier = await mesh.run('waiting');
    await runs.receiveEvent(earlier, 'go', { n: 2 }, 'event-1');
    await runs.receiveEvent(earlier, 'go', { n: 2 }, 'event-1');
    mesh.engine.reconnect();
    expect((await reaches(earlier, 'completed')).output).toEqual({ status: 'received', payload: { n: 2 } });
    const received = await mesh.coordinator.database.read(() =>
      all(query.selectFrom('received_events').selectAll().where('run_id', '=', earlier).compile()),
    );
    expect(received).toMatchObject([{ consumed_by: `${earlier}-w1` }]);
  });

  it('refuses events with the names of the kit, and events for nobody', async () => {
    const { runs } = mesh.coordinator;
    const runId = await mesh.run('waiting');
    await expect(runs.receiveEvent(runId, 'Cancel', {}, 'e')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(runs.receiveEvent(runId, 'call:x:1', {}, 'e')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(runs.receiveEvent('nobody', 'go', {}, 'e')).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
  });

  it('lets a user-named event answer a question, before and after it was asked', async () => {
    const { runs } = mesh.coordinator;
    const after = await mesh.run('approval');
    await vi.waitFor(async () => expect(await mesh.timelineTypes(after)).toContain('question-asked'));
    await runs.receiveEvent(after, 'decided', 'yes', 'e1');
    expect((await reaches(after, 'completed')).output).toMatchObject({ answer: { action: 'answer', value: 'yes' } });
    mesh.engine.up = false;
    const before = await mesh.run('approval');
    await runs.receiveEvent(before, 'Decided', 'no', 'e1');
    mesh.engine.reconnect();
    expect((await reaches(before, 'completed')).output).toMatchObject({ answer: { action: 'answer', value: 'no' } });
  });

  it('is listed by status and workflow, page by page', async () => {
    const { runs } = mesh.coordinator;
    for (let n = 0; n < 5; n++) await mesh.run('cancelable', { n });
    const open = await mesh.run('approval');
    await vi.waitFor(async () => expect((await runs.get(open)).status).toBe('waiting'));
    expect((await runs.list({ status: 'waiting' })).runs.map(({ runId }) => runId)).toEqual([open]);
    expect((await runs.list({ status: 'completed' })).runs).toEqual([]);
    const seen: unknown[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await runs.list({ workflow: 'cancelable', limit: 2, cursor });
      seen.push(...page.runs.map(({ input }) => input));
      cursor = page.nextCursor;
    }
    expect(seen).toEqual([4, 3, 2, 1, 0].map((n) => ({ n })));
    await expect(runs.list({ cursor: 'nonsense' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
