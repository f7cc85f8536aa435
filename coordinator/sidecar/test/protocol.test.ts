import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WorkflowStatus } from '../src/gen/durable_task_pb.ts';
import { startSidecar, type Sidecar } from '../src/index.ts';
import { RawClient, type RawWorker } from './raw-client.ts';
import { child, complete, continueAsNew, decode, kinds, raisedValues, schedule, type Action } from './turns.ts';
import { temporaryFolder } from './world.ts';

/** How a client reaches a sidecar. */
const ways = {
  'over a socket': (sidecar: Sidecar, apiToken?: string) => new RawClient(sidecar.address, apiToken),
  'in its process': (sidecar: Sidecar, apiToken?: string) => RawClient.inProcess(sidecar, apiToken),
};
const eachWay = Object.entries(ways);

describe.each(eachWay)('the protocol %s', (_way, connect) => {
  let folder: ReturnType<typeof temporaryFolder>;
  let sidecar: Sidecar;
  let client: RawClient;
  let worker: RawWorker;
  let id: string;

  beforeEach(async () => {
    folder = temporaryFolder();
    sidecar = await startSidecar({ path: join(folder.path, 'engine.db'), durability: 'normal' });
    client = connect(sidecar);
    worker = client.worker();
    id = randomUUID();
  });
  afterEach(async () => {
    worker.disconnect();
    client[Symbol.dispose]();
    await sidecar.close();
    folder[Symbol.dispose]();
  });

  const start = (name = 'flow') => client.call('startInstance', { instanceId: id, name, input: '1' });
  const answer = (actions: Action[], completionToken = '', customStatus = '') =>
    client.call('completeOrchestratorTask', { instanceId: id, actions, completionToken, customStatus });
  const state = async (instanceId = id) => {
    const { workflowState } = await client.call('getInstance', { instanceId, getInputsAndOutputs: true });
    return workflowState;
  };

  it('says that it does not implement what it does not implement', async () => {
    await expect(client.callUnknown('/TaskHubSidecarService/RewindInstance')).rejects.toMatchObject({ code: 12 });
  });

  it('gives a turn its past, its new events and its execution id', async () => {
    const started = start();
    const first = await worker.nextTurn();
    expect(kinds(first.pastEvents)).toEqual([]);
    expect(kinds(first.newEvents)).toEqual(['workflowStarted', 'executionStarted']);
    await answer([schedule(1)]);
    await started;
    const activity = await worker.nextActivity();
    expect(activity).toMatchObject({ name: 'work', input: '1', taskId: 1, workflowInstance: { instanceId: id } });
    await client.call('completeActivityTask', { instanceId: id, taskId: 1, result: '"done"' });
    const second = await worker.nextTurn();
    expect(kinds(second.pastEvents)).toEqual(['workflowStarted', 'executionStarted', 'taskScheduled']);
    expect(kinds(second.newEvents)).toEqual(['workflowStarted', 'taskCompleted']);
    expect(decode(second.pastEvents).map((event) => event.eventId)).toEqual([-1, -1, 1]);
    expect(second.executionId).toBe(first.executionId);
    await answer([complete(2, '"end"')]);
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.COMPLETED, output: '"end"', input: '1' });
  });

  it('gives every turn its time, which later turns see as it was', async () => {
    const started = start();
    const times: unknown[] = [];
    for (let turns = 0; turns < 3; turns += 1) {
      const turn = await worker.nextTurn();
      const seen = decode([...turn.pastEvents, ...turn.newEvents]).filter(
        ({ event }) => event.case === 'workflowStarted',
      );
      times.push(seen.at(-1)?.timestamp);
      expect(seen.map(({ timestamp }) => timestamp)).toEqual(times);
      const [first] = turn.newEvents;
      expect(kinds(first === undefined ? [] : [first])).toEqual(['workflowStarted']);
      await answer([]);
      await started;
      await client.call('raiseEvent', { instanceId: id, name: 'e' });
    }
  });

  it('accepts the newer name of the completion call', async () => {
    const started = start();
    const turn = await worker.nextTurn();
    const actions = [complete(1, '1')];
    await client.call('completeWorkflowTask', { instanceId: id, actions, completionToken: turn.token });
    await started;
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.COMPLETED });
  });

  it('takes a second completion of an activity, or one nobody asked for, without effect', async () => {
    const started = start();
    await worker.nextTurn();
    await answer([schedule(1), schedule(2)]);
    await started;
    await worker.nextActivity();
    await client.call('completeActivityTask', { instanceId: id, taskId: 1, result: '"first"' });
    await client.call('completeActivityTask', { instanceId: id, taskId: 1, result: '"second"' });
    await client.call('completeActivityTask', { instanceId: id, taskId: 99, result: '"unknown"' });
    await client.call('completeActivityTask', { instanceId: 'unknown', taskId: 1, result: '"unknown"' });
    await worker.nextActivity();
    const turn = await worker.nextTurn();
    expect(kinds(turn.newEvents)).toEqual(['workflowStarted', 'taskCompleted']);
    await answer([]);
    await client.call('completeActivityTask', { instanceId: id, taskId: 2, result: '2' });
    expect(kinds((await worker.nextTurn()).newEvents)).toEqual(['workflowStarted', 'taskCompleted']);
  });

  it('takes answers to turns that are not out, or with the token of another, without effect', async () => {
    await answer([complete(1, '"nobody asked"')]);
    const started = start();
    await worker.nextTurn();
    await answer([complete(1, '"wrong token"')], 'another');
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.PENDING });
    await answer([schedule(1)]);
    await answer([complete(1, '"again"')]);
    await started;
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.RUNNING });
  });

  it('has one turn of an instance out at a time; what arrives meanwhile comes next, in order', async () => {
    const started = start();
    await worker.nextTurn();
    for (let n = 0; n < 50; n += 1) await client.call('raiseEvent', { instanceId: id, name: 'e', input: String(n) });
    expect(worker.items).toEqual([]);
    await answer([]);
    await started;
    const turn = await worker.nextTurn();
    expect(raisedValues(turn.newEvents)).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
  });

  it('hands a turn out again, with the same events, when its worker is lost', async () => {
    const started = start();
    const first = await worker.nextTurn();
    await client.call('raiseEvent', { instanceId: id, name: 'e', input: '1' });
    worker.disconnect();
    worker = client.worker();
    const again = await worker.nextTurn();
    expect(again.newEvents).toEqual(first.newEvents);
    expect(again.token).toBe(first.token);
    await answer([]);
    await started;
    // The lost attempt may answer as well: that answer must not be taken for the next turn's.
    await answer([complete(1, '"of the lost attempt"')]);
    expect(raisedValues((await worker.nextTurn()).newEvents)).toEqual(['1']);
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.RUNNING });
  });

  it('runs an activity again when its worker is lost, and not otherwise', async () => {
    const started = start();
    await worker.nextTurn();
    await answer([schedule(1)]);
    await started;
    const first = await worker.nextActivity();
    using other = connect(sidecar);
    const secondWorker = other.worker();
    worker.disconnect();
    const again = await secondWorker.nextActivity();
    expect(again).toEqual(first);
    secondWorker.disconnect();
  });

  it('never has more out on one stream than it may, and keeps room for turns', async () => {
    const started = start();
    await worker.nextTurn();
    await answer(Array.from({ length: 300 }, (_, n) => schedule(n + 1)));
    await started;
    await vi.waitFor(() => expect(worker.items).toHaveLength(90));
    await client.call('raiseEvent', { instanceId: id, name: 'e', input: '1' });
    await vi.waitFor(() => expect(worker.items.at(-1)?.request.case).toBe('workflowRequest'));
    expect(worker.items).toHaveLength(91);
    await client.call('completeActivityTask', { instanceId: id, taskId: 1, result: '1' });
    await vi.waitFor(() => expect(worker.items).toHaveLength(92));
  });

  it('spreads work over streams', async () => {
    const second = client.worker();
    const started = start();
    await vi.waitFor(() => expect(worker.items.length + second.items.length).toBe(1));
    await answer(Array.from({ length: 10 }, (_, n) => schedule(n + 1)));
    await started;
    await vi.waitFor(() => expect(worker.items.length + second.items.length).toBe(11));
    expect(Math.abs(worker.items.length - second.items.length)).toBeLessThanOrEqual(1);
    second.disconnect();
  });

  it('gives a new generation a new execution id, what the workflow kept, then what arrived meanwhile', async () => {
    const started = start();
    const first = await worker.nextTurn();
    await client.call('raiseEvent', { instanceId: id, name: 'kept', input: '"kept"' });
    await answer([schedule(1)], '', 'busy');
    await started;
    await worker.nextActivity();
    const second = await worker.nextTurn();
    const [, kept] = second.newEvents;
    await client.call('raiseEvent', { instanceId: id, name: 'late', input: '"late"' });
    await client.call('completeActivityTask', { instanceId: id, taskId: 1, result: '"stale"' });
    await answer([continueAsNew(2, '2', kept === undefined ? [] : [kept])], '', 'busy');
    const third = await worker.nextTurn();
    expect(third.pastEvents).toEqual([]);
    expect(kinds(third.newEvents)).toEqual(['workflowStarted', 'executionStarted', 'eventRaised', 'eventRaised']);
    expect(raisedValues(third.newEvents)).toEqual(['"kept"', '"late"']);
    expect(third.executionId).not.toBe(first.executionId);
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.RUNNING, input: '2', customStatus: 'busy' });
  });

  it('does not take the result of an old generation for that of a new one', async () => {
    const started = start();
    await worker.nextTurn();
    await answer([schedule(1)]);
    await started;
    const old = await worker.nextActivity();
    await client.call('raiseEvent', { instanceId: id, name: 'e' });
    await worker.nextTurn();
    await answer([continueAsNew(2, '2')]);
    await worker.nextTurn();
    await answer([schedule(1)]);
    // Both are number 1, so the new one waits until the old one is done.
    await client.call('completeActivityTask', { instanceId: id, taskId: 1, result: '"old"' });
    const renewed = await worker.nextActivity();
    expect(renewed.taskExecutionId).not.toBe(old.taskExecutionId);
    await client.call('completeActivityTask', { instanceId: id, taskId: 1, result: '"new"' });
    const turn = await worker.nextTurn();
    expect(decode(turn.newEvents).at(-1)?.event.value).toMatchObject({ taskScheduledId: 1, result: '"new"' });
  });

  it('lets a termination win over a turn that continues as new', async () => {
    const started = start();
    await worker.nextTurn();
    await client.call('terminateInstance', { instanceId: id, output: '"over"' });
    await answer([continueAsNew(1, '2')]);
    await started;
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.TERMINATED, output: '"over"' });
  });

  it('terminates the whole tree if asked to', async () => {
    const started = start();
    await worker.nextTurn();
    await answer([child(1, `${id}-a`), child(2, `${id}-b`)]);
    await started;
    await client.call('terminateInstance', { instanceId: id, recursive: true });
    for (const instanceId of [id, `${id}-a`, `${id}-b`]) {
      expect(await state(instanceId)).toMatchObject({ workflowStatus: WorkflowStatus.TERMINATED });
    }
    const purged = await client.call('purgeInstances', {
      request: { case: 'instanceId', value: id },
      recursive: true,
    });
    expect(purged).toMatchObject({ deletedInstanceCount: 3, isComplete: true });
  });

  it('starts a recreated instance only when the turn of its predecessor is answered', async () => {
    const started = start();
    const old = await worker.nextTurn();
    await client.call('terminateInstance', { instanceId: id });
    await started;
    const recreated = start('second');
    await vi.waitFor(async () => expect(await state()).toMatchObject({ name: 'second' }));
    expect(worker.items).toEqual([]);
    await answer([complete(1, '"of the old one"')]);
    const turn = await worker.nextTurn();
    expect(turn.executionId).not.toBe(old.executionId);
    await answer([complete(1, '"of the new one"')]);
    await recreated;
    expect(await state()).toMatchObject({ output: '"of the new one"' });
  });

  it('delivers an event that a workflow sends to another', async () => {
    const other = randomUUID();
    const started = start();
    await worker.nextTurn();
    await answer([
      { id: 1, action: { case: 'sendEvent', value: { instance: { instanceId: other }, name: 'e', data: '1' } } },
      child(2, other),
      { id: 3, action: { case: 'sendEvent', value: { instance: { instanceId: other }, name: 'e', data: '2' } } },
    ]);
    await started;
    // The first event found nobody there.
    expect(raisedValues((await worker.nextTurn()).newEvents)).toEqual(['2']);
  });

  it('fails an instance whose answer makes no sense, instead of letting it hang', async () => {
    const started = start();
    await worker.nextTurn();
    await answer([schedule(1), { id: 2 }]);
    await started;
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.FAILED });
    // Nothing of the answer was applied.
    expect(worker.items).toEqual([]);
  });

  it('refuses requests that are too large', async () => {
    const input = 'x'.repeat(5 * 1024 * 1024);
    const oversize = { code: 8, details: expect.stringContaining('larger than max') };
    await expect(client.call('startInstance', { instanceId: id, name: 'flow', input })).rejects.toMatchObject(oversize);
    const started = start();
    await worker.nextTurn();
    await answer([]);
    await started;
    const raised = client.call('raiseEvent', { instanceId: id, name: 'e', input });
    await expect(raised).rejects.toMatchObject(oversize);
    const terminated = client.call('terminateInstance', { instanceId: id, output: input });
    await expect(terminated).rejects.toMatchObject(oversize);
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.RUNNING });
    expect(worker.items).toEqual([]);
  });

  it('waits for instances that do not exist yet, and forgets who gave up', async () => {
    const abort = new AbortController();
    const given = client.call('waitForInstanceCompletion', { instanceId: id }, abort.signal);
    const kept = client.call('waitForInstanceCompletion', { instanceId: id });
    abort.abort();
    await expect(given).rejects.toMatchObject({ code: 1 });
    const started = start();
    await worker.nextTurn();
    await answer([complete(1, '1')]);
    await started;
    expect(await kept).toMatchObject({ exists: true, workflowState: { workflowStatus: WorkflowStatus.COMPLETED } });
  });

  it('gives up a call at its deadline', async () => {
    const waits = client.call('waitForInstanceCompletion', { instanceId: id }, undefined, Date.now() + 100);
    await expect(waits).rejects.toMatchObject({ code: 4 });
    const late = client.call('hello', {}, undefined, Date.now() - 1_000);
    await expect(late).rejects.toMatchObject({ code: 4 });
  });

  it('ends streams and refuses calls when the sidecar closes', async () => {
    const waits = client.call('waitForInstanceCompletion', { instanceId: id }).catch((error: unknown) => error);
    await client.call('hello', {});
    await sidecar.close();
    expect(await waits).toMatchObject({ code: 14 });
    await vi.waitFor(() => expect(worker.ended).toBeDefined());
    await expect(start()).rejects.toMatchObject({ code: 14 });
  });

  it('answers a start only after the first turn, however long a worker takes to come', async () => {
    worker.disconnect();
    let answered = false;
    const started = start().finally(() => (answered = true));
    await vi.waitFor(async () => expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.PENDING }));
    await client.call('raiseEvent', { instanceId: id, name: 'e', input: '1' });
    expect(answered).toBe(false);
    worker = client.worker();
    expect(raisedValues((await worker.nextTurn()).newEvents)).toEqual(['1']);
    await answer([]);
    await started;
  });

  it('starts without waiting if a start time is given, even a past one', async () => {
    worker.disconnect();
    const scheduledStartTimestamp = timestampFromMs(Date.now() - 1000);
    await client.call('startInstance', { instanceId: id, name: 'flow', scheduledStartTimestamp });
    expect(await state()).toMatchObject({ workflowStatus: WorkflowStatus.PENDING });
    worker = client.worker();
    expect(kinds((await worker.nextTurn()).newEvents)).toEqual(['workflowStarted', 'executionStarted']);
  });
});

describe.each(eachWay)('a sidecar with a token %s', (_way, connect) => {
  it('answers only those who carry it', async () => {
    using folder = temporaryFolder();
    await using sidecar = await startSidecar({ path: join(folder.path, 'engine.db'), apiToken: 'secret' });
    using stranger = connect(sidecar);
    using friend = connect(sidecar, 'secret');
    await expect(stranger.call('hello', {})).rejects.toMatchObject({ code: 16 });
    await expect(friend.call('hello', {})).resolves.toBeDefined();
    const worker = stranger.worker();
    await vi.waitFor(() => expect(worker.ended).toMatchObject({ code: 16 }));
  });

  it('is required beyond loopback', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    await expect(startSidecar({ path, host: '0.0.0.0' })).rejects.toMatchObject({ code: 'TOKEN_REQUIRED' });
  });
});
