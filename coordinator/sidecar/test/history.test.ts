import { randomUUID } from 'node:crypto';
import { fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TaskFailureDetailsSchema, WorkflowStatus } from '../src/gen/durable_task_pb.ts';
import { child, complete, decode, kinds, schedule, Wire, type Action } from './turns.ts';

const timer = (id: number, inMs: number): Action => ({
  id,
  action: { case: 'createTimer', value: { fireAt: timestampFromMs(Date.now() + inMs) } },
});

const notFound = (details: string) => ({ code: 5, details });
const invalid = (details: string) => ({ code: 3, details });

describe('what operators ask for', () => {
  let wire: Wire;
  let id: string;

  beforeEach(async () => {
    wire = await Wire.open();
    id = randomUUID();
  });
  afterEach(() => wire[Symbol.asyncDispose]());

  const rerun = (eventId: number, more: object = {}) =>
    wire.client.call('rerunWorkflowFromEvent', { sourceInstanceId: id, eventId, ...more });
  const shapes = async (instanceId: string) =>
    (await wire.history(instanceId)).map(({ eventId, event }) => [eventId, event.case]);

  /** Two activities at once, a third when the first is done; the second has no result by then. */
  const runSource = async () => {
    await wire.run(id, [schedule(1), schedule(2)]);
    for (let n = 0; n < 2; n += 1) await wire.worker.nextActivity();
    await wire.result(id, 1, '"one"');
    await wire.worker.nextTurn();
    await wire.answer(id, [schedule(3)]);
    await wire.worker.nextActivity();
    await wire.result(id, 2, '"two"');
    await wire.worker.nextTurn();
    await wire.answer(id, [complete(4, '"done"')]);
  };

  describe('the list of instances', () => {
    it('comes in pages, in the order of creation, children and all', async () => {
      const ids = ['e', 'd', 'c', 'b', 'a'];
      for (const instanceId of ids) await wire.run(instanceId, [complete(1, '1')]);
      await wire.run('parent', [child(1, 'child')]);
      await wire.purge('c');
      const pages: string[][] = [];
      let continuationToken: string | undefined;
      do {
        const page = await wire.client.call('listInstanceIDs', {
          pageSize: 2,
          ...(continuationToken !== undefined && { continuationToken }),
        });
        pages.push(page.instanceIds);
        ({ continuationToken } = page);
      } while (continuationToken !== undefined);
      expect(pages).toEqual([['e', 'd'], ['b', 'a'], ['parent', 'child'], []]);
      expect(await wire.client.call('listInstanceIDs', {})).toMatchObject({ instanceIds: pages.flat() });
    });

    it('refuses a token that it never gave', async () => {
      const call = wire.client.call('listInstanceIDs', { continuationToken: 'x' });
      await expect(call).rejects.toMatchObject({ code: 3 });
    });
  });

  describe('the history of an instance', () => {
    it('has what its turns have taken, and nothing that still waits for one', async () => {
      await wire.run(id, [schedule(1)]);
      await wire.client.call('raiseEvent', { instanceId: id, name: 'e' });
      expect(await shapes(id)).toEqual([
        [-1, 'workflowStarted'],
        [-1, 'executionStarted'],
        [1, 'taskScheduled'],
      ]);
    });

    it('is not found if there is no such instance', async () => {
      const details = "workflow instance 'nobody' not found";
      await expect(wire.history('nobody')).rejects.toMatchObject({ code: 5, details });
    });
  });

  describe('a rerun', () => {
    it('does again what was asked for, and all that had no result by then', async () => {
      await runSource();
      const { newInstanceId } = await rerun(3, { newInstanceId: 'again', overwriteInput: true, input: '"other"' });
      expect(newInstanceId).toBe('again');
      expect(await wire.state('again')).toMatchObject({
        workflowStatus: WorkflowStatus.RUNNING,
        name: 'flow',
        input: '1',
      });
      const activities = [await wire.worker.nextActivity(), await wire.worker.nextActivity()];
      expect(activities.map(({ taskId, input }) => [taskId, input])).toEqual([
        [2, '2'],
        [3, '"other"'],
      ]);
      await wire.result('again', 3, '"three"');
      const turn = await wire.worker.nextTurn();
      const past = decode(turn.pastEvents);
      expect(past.map(({ eventId, event }) => [eventId, event.case])).toEqual([
        [-1, 'workflowStarted'],
        [-1, 'executionStarted'],
        [1, 'taskScheduled'],
        [2, 'taskScheduled'],
        [-1, 'workflowStarted'],
        [-1, 'taskCompleted'],
        [3, 'taskScheduled'],
      ]);
      expect(past.at(-1)?.event.value).toMatchObject({ rerunParentInstanceInfo: { instanceId: id } });
      const started = past[1]?.event;
      expect(started?.value).toMatchObject({
        workflowInstance: { instanceId: 'again', executionId: turn.executionId },
      });
      await wire.answer('again', [complete(4, '"again"')]);
      expect(await wire.state('again')).toMatchObject({ output: '"again"' });
      expect(await wire.state(id)).toMatchObject({ output: '"done"' });
    });

    it('can give no input at all, and an id of its own', async () => {
      await runSource();
      const { newInstanceId } = await rerun(1, { overwriteInput: true });
      expect(newInstanceId).not.toBe(id);
      const activity = await wire.worker.nextActivity();
      expect(activity.taskId).toBe(1);
      expect(activity.input).toBeUndefined();
    });

    it('waits for timers again that had not fired', async () => {
      await wire.run(id, [timer(1, 60_000), timer(2, -1000)]);
      await wire.worker.nextTurn();
      await wire.answer(id, [schedule(3)]);
      await wire.worker.nextActivity();
      await wire.result(id, 3, '3');
      await wire.worker.nextTurn();
      await wire.answer(id, [complete(4, '4')]);
      await rerun(2, { newInstanceId: 'timers' });
      const turn = await wire.worker.nextTurn();
      expect(decode(turn.newEvents).at(-1)?.event).toMatchObject({ case: 'timerFired', value: { timerId: 2 } });
      await wire.answer('timers', []);
      await rerun(3, { newInstanceId: 'later' });
      expect(await wire.worker.nextActivity()).toMatchObject({ taskId: 3 });
      await wire.result('later', 3, '3');
      // The second timer had fired by then; the first is a minute away.
      const { pastEvents, newEvents } = await wire.worker.nextTurn();
      expect(kinds(newEvents)).toEqual(['workflowStarted', 'taskCompleted']);
      expect(kinds(pastEvents).filter((kind) => kind === 'timerFired')).toHaveLength(1);
    });

    it('starts a child again under another id', async () => {
      await wire.run(id, [child(1, `${id}-child`)]);
      await wire.worker.nextTurn();
      await wire.answer(`${id}-child`, [complete(1, '1')]);
      await wire.worker.nextTurn();
      await wire.answer(id, [complete(2, '2')]);
      await rerun(1, { newInstanceId: 'parent' });
      expect(await wire.worker.nextTurn()).toMatchObject({ instanceId: 'parent:0001' });
      await wire.answer('parent:0001', [complete(1, '"child"')]);
      const turn = await wire.worker.nextTurn();
      expect(turn.instanceId).toBe('parent');
      expect(decode(turn.newEvents).at(-1)?.event.value).toMatchObject({ taskScheduledId: 1, result: '"child"' });
      await rerun(1, { newInstanceId: 'second', newChildWorkflowInstanceId: 'named' });
      expect(await wire.worker.nextTurn()).toMatchObject({ instanceId: 'named' });
      await expect(
        wire.client.call('rerunWorkflowFromEvent', { sourceInstanceId: 'parent:0001', eventId: 1 }),
      ).rejects.toMatchObject({ code: 3, details: "'parent:0001': cannot rerun from child-workflows" });
    });

    it('hears of it if the id of the child is taken', async () => {
      await wire.run(id, [child(1, `${id}-child`)]);
      await wire.worker.nextTurn();
      await wire.answer(`${id}-child`, []);
      await wire.client.call('terminateInstance', { instanceId: id });
      await rerun(1, { newInstanceId: 'parent', newChildWorkflowInstanceId: `${id}-child` });
      const failed = decode((await wire.worker.nextTurn()).newEvents).at(-1)?.event;
      if (failed?.case !== 'childWorkflowFailed') throw new Error(`got ${failed?.case}`);
      expect(fromBinary(TaskFailureDetailsSchema, failed.value.failureDetails ?? new Uint8Array())).toMatchObject({
        errorType: 'WorkflowInstanceAlreadyExists',
        errorMessage: `an active workflow with ID '${id}-child' already exists`,
      });
    });

    it("refuses what cannot be done again, in daprd's words", async () => {
      await wire.run('other', []);
      await wire.run('active', [schedule(1)]);
      await wire.worker.nextActivity();
      await runSource();
      await expect(wire.client.call('rerunWorkflowFromEvent', { eventId: 1 })).rejects.toMatchObject(
        invalid('rerun workflow source instance ID is required'),
      );
      await expect(rerun(1, { newInstanceId: id })).rejects.toMatchObject(
        invalid('rerun workflow instance ID must be different from the original instance ID'),
      );
      await expect(rerun(1, { sourceInstanceId: 'nobody' })).rejects.toMatchObject(
        notFound("workflow instance does not exist with ID 'nobody'"),
      );
      await expect(rerun(1, { sourceInstanceId: 'active' })).rejects.toMatchObject(
        invalid("'active' is not in a terminal state"),
      );
      await expect(rerun(77)).rejects.toMatchObject(notFound("does not have history event with ID '77'"));
      await expect(rerun(4)).rejects.toMatchObject(
        notFound(
          "target event '*protos.HistoryEvent_ExecutionCompleted' with ID '4' is not an event that can be rerun",
        ),
      );
      await expect(rerun(0xffffffff)).rejects.toMatchObject(
        notFound("target event '*protos.HistoryEvent_WorkflowStarted' with ID '-1' is not an event that can be rerun"),
      );
      await expect(rerun(3, { newChildWorkflowInstanceId: 'x' })).rejects.toMatchObject(
        invalid("cannot set new child workflow instance ID on activity event '3'"),
      );
      await expect(rerun(3, { newInstanceId: 'other' })).rejects.toMatchObject({
        code: 6,
        details: "workflow 'other' has already been created",
      });
    });
  });
});
