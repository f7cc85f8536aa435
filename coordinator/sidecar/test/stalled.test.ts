import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StalledReason, WorkflowStatus } from '../src/gen/durable_task_pb.ts';
import { complete, kinds, raisedValues, schedule, Wire, type Action } from './turns.ts';

const { COMPLETED, RUNNING, STALLED, SUSPENDED, TERMINATED } = WorkflowStatus;

const LIMIT = 100_000;
const versionNotAvailable: Action = { id: 0, action: { case: 'versionNotAvailable', value: {} } };

describe('a stalled instance', () => {
  let wire: Wire;
  let id: string;

  beforeEach(async () => {
    wire = await Wire.open({ maxMessageBytes: LIMIT });
    id = randomUUID();
  });
  afterEach(() => wire[Symbol.asyncDispose]());

  const stalled = async () => {
    await vi.waitFor(async () => expect(await wire.state(id)).toMatchObject({ workflowStatus: STALLED }));
    return (await wire.history(id)).at(-1)?.event;
  };
  /** Has run one turn, is stalled in the second. */
  const stall = async (actions: Action[] = []) => {
    const started = wire.start(id);
    await wire.worker.nextTurn();
    await wire.answer(id, actions, { version: { name: 'v1' } });
    await started;
    for (const _ of actions) await wire.worker.nextActivity();
    await wire.client.call('raiseEvent', { instanceId: id, name: 'e', input: '"kept"' });
    await wire.worker.nextTurn();
    await wire.answer(id, [versionNotAvailable]);
  };

  it('says why, in its history and in its state', async () => {
    await stall();
    const description = 'Version not available: v1';
    expect(await stalled()).toMatchObject({
      case: 'executionStalled',
      value: { reason: StalledReason.VERSION_NOT_AVAILABLE, description },
    });
    const state = await wire.state(id);
    expect(Buffer.from(state?.failureDetails ?? []).toString()).toContain(description);
    expect(state).toMatchObject({ version: 'v1' });
  });

  it('goes on where it was when a worker connects that can run it', async () => {
    await stall([schedule(1)]);
    await stalled();
    await wire.result(id, 1, '"late"');
    expect(wire.worker.items).toEqual([]);
    wire.reconnectWorker();
    const turn = await wire.worker.nextTurn();
    expect(kinds(turn.newEvents)).toEqual(['workflowStarted', 'eventRaised', 'taskCompleted']);
    expect(raisedValues(turn.newEvents)).toEqual(['"kept"']);
    expect(await wire.state(id)).toMatchObject({ workflowStatus: STALLED });
    await wire.answer(id, [complete(2, '1')]);
    const state = await wire.state(id);
    expect(state).toMatchObject({ workflowStatus: COMPLETED });
    expect(state?.failureDetails).toBeUndefined();
  });

  it('says it once, however many workers cannot run it', async () => {
    await stall();
    for (let n = 0; n < 3; n += 1) {
      await stalled();
      wire.reconnectWorker();
      await wire.worker.nextTurn();
      await wire.answer(id, [versionNotAvailable]);
    }
    const events = await wire.history(id);
    expect(events.filter(({ event }) => event.case === 'executionStalled')).toHaveLength(1);
    expect(await wire.state(id)).toMatchObject({ workflowStatus: STALLED });
  });

  it('is given to the worker that came, though the one that could not run it is still there', async () => {
    await stall();
    await stalled();
    const { worker: older } = wire;
    wire.worker = wire.client.worker();
    expect(raisedValues((await wire.worker.nextTurn()).newEvents)).toEqual(['"kept"']);
    expect(older.items).toEqual([]);
    older.disconnect();
  });

  it('is tried again by the next process', async () => {
    await stall();
    await wire.restart();
    expect(await wire.state(id)).toMatchObject({ workflowStatus: STALLED });
    expect(raisedValues((await wire.worker.nextTurn()).newEvents)).toEqual(['"kept"']);
    await wire.answer(id, []);
    expect(await wire.state(id)).toMatchObject({ workflowStatus: RUNNING });
  });

  it('is suspended again after it was stalled while suspended', async () => {
    await stall();
    wire.reconnectWorker();
    await wire.worker.nextTurn();
    const suspended = wire.client.call('suspendInstance', { instanceId: id });
    await expect(suspended).rejects.toMatchObject({ details: expect.stringContaining('stalled') });
    await wire.answer(id, []);
    const again = wire.client.call('suspendInstance', { instanceId: id });
    await wire.worker.nextTurn();
    await wire.answer(id, []);
    await again;
    await wire.client.call('raiseEvent', { instanceId: id, name: 'e' });
    await wire.worker.nextTurn();
    await wire.answer(id, [versionNotAvailable]);
    wire.reconnectWorker();
    await wire.worker.nextTurn();
    await wire.answer(id, []);
    expect(await wire.state(id)).toMatchObject({ workflowStatus: SUSPENDED });
  });

  it("refuses what daprd refuses, in daprd's words", async () => {
    await stall();
    await stalled();
    const details = `failed to invoke method for workflow '${id}': actor is stalled`;
    const refused = { code: 2, details };
    await expect(wire.client.call('raiseEvent', { instanceId: id, name: 'e' })).rejects.toMatchObject(refused);
    await expect(wire.client.call('suspendInstance', { instanceId: id })).rejects.toMatchObject(refused);
    await expect(wire.client.call('resumeInstance', { instanceId: id })).rejects.toMatchObject(refused);
    const rerun = wire.client.call('rerunWorkflowFromEvent', { sourceInstanceId: id, eventId: 1 });
    await expect(rerun).rejects.toMatchObject(refused);
    await expect(wire.purge(id)).rejects.toMatchObject({
      code: 2,
      details: `failed to purge workflow state: ${details}`,
    });
    await expect(wire.purge(id, { recursive: true })).rejects.toMatchObject({
      code: 2,
      details: 'failed to purge workflow state: orchestration has not yet completed',
    });
  });

  it('can be terminated, and purged by force', async () => {
    await stall();
    await stalled();
    await wire.client.call('terminateInstance', { instanceId: id, output: '"stop"' });
    const state = await wire.state(id);
    expect(state).toMatchObject({ workflowStatus: TERMINATED, output: '"stop"' });
    expect(state?.failureDetails).toBeUndefined();
    id = randomUUID();
    await stall();
    await stalled();
    expect(await wire.purge(id, { force: true })).toMatchObject({ deletedInstanceCount: 1 });
    expect(await wire.state(id)).toBeUndefined();
  });

  it('waits for code that has taken the same patches', async () => {
    const started = wire.start(id);
    await wire.worker.nextTurn();
    await wire.answer(id, [], { version: { patches: ['a'] } });
    await started;
    const raise = () => wire.client.call('raiseEvent', { instanceId: id, name: 'e' });
    await raise();
    await wire.worker.nextTurn();
    await wire.answer(id, [], { version: { patches: ['a', 'b'] } });
    await raise();
    await wire.worker.nextTurn();
    await wire.answer(id, [], { version: { patches: ['b', 'a'] } });
    const description = 'Patch mismatch. History patches: [a, b], current patches: [b, a]. ';
    expect(await stalled()).toMatchObject({ value: { reason: StalledReason.PATCH_MISMATCH, description } });
    wire.reconnectWorker();
    const { pastEvents } = await wire.worker.nextTurn();
    // Each turn's event tells only of the patches that were new with it.
    const history = await wire.history(id);
    expect(
      history.flatMap(({ event }) => (event.case === 'workflowStarted' ? [event.value.version?.patches] : [])),
    ).toEqual([['a'], ['b']]);
    expect(kinds(pastEvents).at(-1)).toBe('executionStalled');
    await wire.answer(id, [complete(1, '1')], { version: { patches: ['a', 'b', 'c'] } });
    expect(await wire.state(id)).toMatchObject({ workflowStatus: COMPLETED });
  });

  it('waits for larger limits when its history and inbox have outgrown the present ones', async () => {
    await wire.run(id, [schedule(1), schedule(2)]);
    const large = JSON.stringify('x'.repeat(LIMIT / 2));
    for (let n = 0; n < 2; n += 1) await wire.worker.nextActivity();
    await wire.result(id, 1, large);
    await wire.worker.nextTurn();
    await wire.answer(id, []);
    await wire.result(id, 2, large);
    expect(await stalled()).toMatchObject({
      value: {
        reason: StalledReason.PAYLOAD_SIZE_EXCEEDED,
        description: expect.stringMatching(
          /^Workflow payload size \d+ bytes exceeds 95% of max gRPC body size 100000 bytes; increase/,
        ),
      },
    });
    await wire.restart();
    expect(await wire.state(id)).toMatchObject({ workflowStatus: STALLED });
    await wire.restart({ maxMessageBytes: 2 * LIMIT });
    const turn = await wire.worker.nextTurn();
    expect(kinds(turn.newEvents)).toEqual(['workflowStarted', 'taskCompleted']);
    await wire.answer(id, [complete(3, '1')]);
    expect(await wire.state(id)).toMatchObject({ workflowStatus: COMPLETED });
    expect((await wire.history(id)).filter(({ event }) => event.case === 'executionStalled')).toHaveLength(1);
  });

  it('waits for larger limits when it calls an activity that nobody could be told of', async () => {
    await wire.run(id, [schedule(1, 'x'.repeat(LIMIT * 0.96))]);
    expect(await stalled()).toMatchObject({
      value: {
        reason: StalledReason.PAYLOAD_SIZE_EXCEEDED,
        description: expect.stringMatching(/^activity 'work::1' payload \d+ bytes exceeds 95%/),
      },
    });
    expect(wire.worker.items).toEqual([]);
  });
});

it('an owner who fails when told of a stalled instance stops nobody', async () => {
  const onStalled = vi.fn<(id: string, reason: string) => void>(() => {
    throw new Error('the owner has a bug');
  });
  await using wire = await Wire.open({ onStalled });
  await wire.run('a', []);
  await wire.client.call('raiseEvent', { instanceId: 'a', name: 'e' });
  await wire.worker.nextTurn();
  await wire.answer('a', [versionNotAvailable]);
  expect(onStalled).toHaveBeenCalledExactlyOnceWith('a', 'VERSION_NOT_AVAILABLE');
  expect(await wire.state('a')).toMatchObject({ workflowStatus: STALLED });
  await wire.run('b', [complete(1, '1')]);
});
