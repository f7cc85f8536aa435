import { randomUUID } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TaskFailureDetailsSchema, WorkflowStatus, type HistoryEvent } from '../src/gen/durable_task_pb.ts';
import { child, complete, continueAsNew, decode, kinds, raisedValues, schedule, Wire, type Action } from './turns.ts';

const { COMPLETED, RUNNING } = WorkflowStatus;

const childFailures = (events: Uint8Array[]) =>
  decode(events).flatMap(({ event }) =>
    event.case === 'childWorkflowFailed'
      ? [fromBinary(TaskFailureDetailsSchema, event.value.failureDetails ?? new Uint8Array()).errorType]
      : [],
  );
const time = ({ timestamp }: HistoryEvent): bigint =>
  (timestamp?.seconds ?? 0n) * 1_000_000_000n + BigInt(timestamp?.nanos ?? 0);

describe('over its generations', () => {
  let wire: Wire;
  let id: string;

  beforeEach(async () => {
    wire = await Wire.open();
    id = randomUUID();
  });
  afterEach(() => wire[Symbol.asyncDispose]());

  const raise = (input = '') => wire.client.call('raiseEvent', { instanceId: id, name: 'e', input });
  const rows = (table: string): number => {
    using database = new DatabaseSync(wire.path, { readOnly: true });
    return Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
  };

  it('a child keeps its parent: fifty of them, then it returns', async () => {
    const childId = `${id}-child`;
    await wire.run(id, [child(1, childId)]);
    const executionIds = new Set<string>();
    for (let generation = 1; generation <= 50; generation += 1) {
      const turn = await wire.worker.nextTurn();
      expect(turn.instanceId).toBe(childId);
      executionIds.add(turn.executionId ?? '');
      const started = decode(turn.newEvents)[1]?.event;
      expect(started?.value).toMatchObject({
        workflowInstance: { instanceId: childId, executionId: turn.executionId },
        parentInstance: { taskScheduledId: 1, workflowInstance: { instanceId: id } },
      });
      await wire.answer(childId, [generation < 50 ? continueAsNew(1, String(generation)) : complete(1, '"end"')]);
    }
    expect(executionIds.size).toBe(50);
    const turn = await wire.worker.nextTurn();
    expect(decode(turn.newEvents).at(-1)?.event).toMatchObject({ value: { taskScheduledId: 1, result: '"end"' } });
  });

  it('one that never stops takes nobody else his turn', async () => {
    const other = randomUUID();
    const started = wire.start(id);
    const otherStarted = wire.start(other);
    let others = 0;
    for (let turns = 0; turns < 200 && others < 20; turns += 1) {
      const { instanceId } = await wire.worker.nextTurn();
      if (instanceId === other) others += 1;
      await wire.answer(instanceId, [continueAsNew(1, '1')]);
    }
    await Promise.all([started, otherStarted]);
    expect(others).toBe(20);
  });

  it('an instance loses none of 1000 events that are raised all the while, and doubles none', async () => {
    const started = wire.start(id);
    const seen: string[] = [];
    const raising = (async () => {
      await started;
      await Promise.all(Array.from({ length: 1000 }, (_, n) => raise(String(n))));
    })();
    while (seen.length < 1000) {
      const { newEvents } = await wire.worker.nextTurn();
      const raised = newEvents.filter((bytes) => kinds([bytes])[0] === 'eventRaised');
      // Takes the first ten, keeps the rest for the next generation.
      seen.push(...raisedValues(raised.slice(0, 10)).map(String));
      await wire.answer(id, [seen.length < 1000 ? continueAsNew(1, '1', raised.slice(10)) : complete(1, '1')]);
    }
    await raising;
    expect(seen.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(await wire.state(id)).toMatchObject({ workflowStatus: COMPLETED });
  });

  it('equal events are told apart by their times', async () => {
    await wire.run(id, []);
    await Promise.all(Array.from({ length: 100 }, () => raise('"same"')));
    const times: bigint[] = [];
    while (times.length < 100) {
      const { newEvents } = await wire.worker.nextTurn();
      times.push(
        ...decode(newEvents)
          .filter(({ event }) => event.case === 'eventRaised')
          .map(time),
      );
      await wire.answer(id, []);
    }
    expect(new Set(times).size).toBe(100);
    expect(times).toEqual(times.toSorted((a, b) => Number(a - b)));
  });

  it('a child of the one before reports to nobody', async () => {
    await wire.run(id, [child(1, `${id}-old`)]);
    await wire.worker.nextTurn();
    await raise();
    await wire.worker.nextTurn();
    await wire.answer(id, [continueAsNew(2, '2')]);
    await wire.worker.nextTurn();
    // The new generation has a child with the same number.
    await wire.answer(id, [child(1, `${id}-new`)]);
    await wire.worker.nextTurn();
    await wire.answer(`${id}-old`, [complete(1, '"old"')]);
    expect(await wire.state(`${id}-old`)).toMatchObject({ workflowStatus: COMPLETED });
    expect(wire.worker.items).toEqual([]);
    await wire.answer(`${id}-new`, [complete(1, '"new"')]);
    const turn = await wire.worker.nextTurn();
    expect(decode(turn.newEvents).at(-1)?.event.value).toMatchObject({ result: '"new"' });
  });

  it('a child whose name is that of a live one of the generation before fails, and nothing hangs', async () => {
    await wire.run(id, [child(1, '')]);
    expect(await wire.worker.nextTurn()).toMatchObject({ instanceId: `${id}:0001` });
    await wire.answer(`${id}:0001`, []);
    await raise();
    await wire.worker.nextTurn();
    await wire.answer(id, [continueAsNew(2, '2')]);
    await wire.worker.nextTurn();
    await wire.answer(id, [child(1, '')]);
    expect(childFailures((await wire.worker.nextTurn()).newEvents)).toEqual(['WorkflowInstanceAlreadyExists']);
    expect(await wire.state(`${id}:0001`)).toMatchObject({ workflowStatus: RUNNING });
  });

  it('a child may have the name of an instance that is over', async () => {
    await wire.run('free', [complete(1, '"first"')]);
    await wire.run(id, [child(1, 'free')]);
    await wire.worker.nextTurn();
    await wire.answer('free', [complete(1, '"second"')]);
    const turn = await wire.worker.nextTurn();
    expect(decode(turn.newEvents).at(-1)?.event.value).toMatchObject({ result: '"second"' });
  });

  it('a result is on disk before the parent hears of it', async () => {
    await wire.run(id, [child(1, `${id}-child`)]);
    await wire.worker.nextTurn();
    await wire.answer(`${id}-child`, [complete(1, '"kept"')]);
    await wire.worker.nextTurn();
    // The parent had its turn and no chance to answer.
    await wire.restart();
    expect(await wire.state(`${id}-child`)).toMatchObject({ workflowStatus: COMPLETED, output: '"kept"' });
    const turn = await wire.worker.nextTurn();
    expect(decode(turn.newEvents).at(-1)?.event.value).toMatchObject({ taskScheduledId: 1, result: '"kept"' });
  });

  it('a recreated instance has nothing of its predecessor', async () => {
    const timer: Action = {
      id: 1,
      action: { case: 'createTimer', value: { fireAt: timestampFromMs(Date.now() + 3_600_000) } },
    };
    await wire.run(id, [timer, schedule(2)]);
    const first = await wire.worker.nextActivity();
    await wire.client.call('terminateInstance', { instanceId: id, output: '"over"' });
    expect(rows('timers')).toBe(0);
    const started = wire.start(id, 'second');
    const turn = await wire.worker.nextTurn();
    expect(turn.pastEvents).toEqual([]);
    expect(turn.executionId).not.toBe(first.workflowInstance?.executionId);
    await wire.answer(id, [schedule(2)]);
    await started;
    // The activity of the predecessor may still answer, under the same name: it counts for nobody.
    await wire.result(id, 2, '"of the first"');
    await wire.worker.nextActivity();
    expect(wire.worker.items).toEqual([]);
    await wire.result(id, 2, '"of the second"');
    const next = await wire.worker.nextTurn();
    expect(decode(next.newEvents).at(-1)?.event.value).toMatchObject({ result: '"of the second"' });
    expect((await wire.state(id))?.output).toBeUndefined();
  });

  it('timers are gone when the workflow ends, when a new generation begins, and when it is terminated', async () => {
    const fireAt = timestampFromMs(Date.now() + 3_600_000);
    const timer: Action = { id: 1, action: { case: 'createTimer', value: { fireAt } } };
    await wire.run(id, [timer]);
    expect(rows('timers')).toBe(1);
    await raise();
    await wire.worker.nextTurn();
    await wire.answer(id, [continueAsNew(2, '2')]);
    expect(rows('timers')).toBe(0);
    await wire.worker.nextTurn();
    await wire.answer(id, [timer]);
    await raise();
    await wire.worker.nextTurn();
    await wire.answer(id, [complete(2, '2')]);
    expect(rows('timers')).toBe(0);
    const scheduledStartTimestamp = fireAt;
    await wire.client.call('startInstance', { instanceId: 'later', name: 'flow', scheduledStartTimestamp });
    expect(rows('timers')).toBe(1);
    await wire.client.call('terminateInstance', { instanceId: 'later' });
    expect(rows('timers')).toBe(0);
    expect(rows('inbox')).toBe(0);
  });
});
