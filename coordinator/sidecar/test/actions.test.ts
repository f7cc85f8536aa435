import { randomUUID } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TaskFailureDetailsSchema, WorkflowStatus } from '../src/gen/durable_task_pb.ts';
import { child, complete, raisedValues, schedule, Wire, type Action } from './turns.ts';

const { COMPLETED, FAILED, PENDING, RUNNING, TERMINATED } = WorkflowStatus;

const terminate = (id: number, instanceId: string, recurse = false): Action => ({
  id,
  action: { case: 'terminateWorkflow', value: { instanceId, reason: '"because"', recurse } },
});
const detached = (id: number, instanceId: string, more: object = {}): Action => ({
  id,
  action: { case: 'createDetachedWorkflow', value: { instanceId, name: 'detached', input: '"in"', ...more } },
});

const send = (actionId: number, instanceId: string, data: string): Action => ({
  id: actionId,
  action: { case: 'sendEvent', value: { instance: { instanceId }, name: 'e', data } },
});

describe('an action', () => {
  let wire: Wire;
  let id: string;

  beforeEach(async () => {
    wire = await Wire.open();
    id = randomUUID();
  });
  afterEach(() => wire[Symbol.asyncDispose]());

  describe('that terminates another instance', () => {
    it('ends that one alone, with a reason', async () => {
      await wire.run('target', [child(1, 'child')]);
      await wire.worker.nextTurn();
      await wire.answer('child', []);
      await wire.run(id, [terminate(1, 'target'), schedule(2)]);
      expect(await wire.state('target')).toMatchObject({ workflowStatus: TERMINATED, output: '"because"' });
      expect(await wire.state('child')).toMatchObject({ workflowStatus: RUNNING });
      expect(await wire.state(id)).toMatchObject({ workflowStatus: RUNNING });
      // It leaves no event, as on daprd.
      const history = await wire.history(id);
      expect(history.map(({ event }) => event.case)).toEqual(['workflowStarted', 'executionStarted', 'taskScheduled']);
    });

    it('takes its children along if asked to', async () => {
      await wire.run('target', [child(1, 'child')]);
      await wire.worker.nextTurn();
      await wire.run(id, [terminate(1, 'target', true)]);
      expect(await wire.state('child')).toMatchObject({ workflowStatus: TERMINATED });
    });

    it('may mean itself, or nobody', async () => {
      await wire.run(id, [terminate(1, 'nobody'), terminate(2, id)]);
      expect(await wire.state(id)).toMatchObject({ workflowStatus: TERMINATED, output: '"because"' });
    });
  });

  describe('that starts a detached instance', () => {
    it('leaves it to itself', async () => {
      await wire.run(id, [detached(1, 'free'), complete(2, '"done"')]);
      const turn = await wire.worker.nextTurn();
      expect(turn.instanceId).toBe('free');
      expect(await wire.state(id)).toMatchObject({ workflowStatus: COMPLETED });
      expect(await wire.state('free')).toMatchObject({ name: 'detached', input: '"in"' });
      expect((await wire.state('free'))?.parentInstanceId).toBeUndefined();
      expect((await wire.history(id)).map(({ eventId, event }) => [eventId, event.case])).toContainEqual([
        1,
        'detachedWorkflowCreated',
      ]);
      // Nobody waits for it: its former owner may be started afresh and purged with all that is its own.
      expect(await wire.purge(id, { recursive: true })).toMatchObject({ deletedInstanceCount: 1 });
      await wire.answer('free', [complete(1, '1')]);
      expect(wire.worker.items).toEqual([]);
    });

    it('honours its start time', async () => {
      const scheduledStartTimestamp = timestampFromMs(Date.now() + 3_600_000);
      await wire.run(id, [detached(1, 'later', { scheduledStartTimestamp })]);
      expect(await wire.state('later')).toMatchObject({ workflowStatus: PENDING });
      expect(wire.worker.items).toEqual([]);
    });

    it.each([
      ['', 'requires an instance ID'],
      ['taken', 'already exists'],
      ['a/b', 'must not contain'],
    ])('fails visibly where it cannot: id %j', async (instanceId, reason) => {
      await wire.run('taken', []);
      await wire.run(id, [schedule(1), detached(2, instanceId)]);
      const state = await wire.state(id);
      expect(state).toMatchObject({ workflowStatus: FAILED });
      const { errorMessage } = fromBinary(TaskFailureDetailsSchema, state?.failureDetails ?? new Uint8Array());
      expect(errorMessage).toContain(reason);
      expect(wire.worker.items).toEqual([]);
    });
  });

  it('that sends an event reaches its target, itself too, in the order in which it was sent', async () => {
    await wire.run('target', []);
    await wire.run(id, [send(1, 'target', '1'), send(2, id, '2'), send(3, 'target', '3'), send(4, 'nobody', '4')]);
    const turns = [await wire.worker.nextTurn(), await wire.worker.nextTurn()];
    const values = new Map(turns.map(({ instanceId, newEvents }) => [instanceId, raisedValues(newEvents)]));
    expect(values.get('target')).toEqual(['1', '3']);
    expect(values.get(id)).toEqual(['2']);
  });

  it('keeps what a timer is for', async () => {
    const fireAt = timestampFromMs(Date.now() + 60_000);
    const origin = { case: 'externalEvent', value: Buffer.from([10, 1, 101]) } as const;
    await wire.run(id, [{ id: 1, action: { case: 'createTimer', value: { fireAt, name: 'n', origin } } }]);
    const created = (await wire.history(id)).at(-1)?.event;
    expect(created).toMatchObject({ case: 'timerCreated', value: { name: 'n', origin: { case: 'externalEvent' } } });
  });

  it('may come after the completion of the workflow, whose activities still run', async () => {
    await wire.run(id, [complete(1, '"done"'), schedule(2)]);
    expect(await wire.worker.nextActivity()).toMatchObject({ taskId: 2 });
    await wire.result(id, 2, '"late"');
    expect(await wire.state(id)).toMatchObject({ workflowStatus: COMPLETED, output: '"done"' });
    expect(wire.worker.items).toEqual([]);
  });
});
