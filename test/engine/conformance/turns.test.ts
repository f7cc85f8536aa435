import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { WireType } from '@bufbuild/protobuf/wire';
import { CreateInstanceRequestSchema, type WorkflowRequest, WorkflowStatus } from '@daca-mesh/sidecar/protocol';
import type { RawWorker } from '@daca-mesh/sidecar/testing';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { conformance, outcome, patient, repeatable, row } from './suite.ts';
import {
  child,
  complete,
  continueAsNew,
  decode,
  Desk,
  kinds,
  raisedValues,
  schedule,
  send,
  terminated,
} from './turns.ts';

conformance('turns', {}, (subject) => {
  let worker: RawWorker;
  let desk: Desk;
  const deskOf = (id: string) => new Desk(id, subject.raw, () => [worker]);
  beforeAll(async () => {
    worker = subject.raw.worker();
    await subject.engine.untilWorkers(1);
  });
  beforeEach(() => {
    desk = deskOf(randomUUID());
  });

  row('rpcs', () => {
    it('answers UNIMPLEMENTED to a call that it does not know', async () => {
      const seen = await outcome(subject.raw.callUnknown('/TaskHubSidecarService/NoSuchCall'));
      expect(seen).toEqual(
        subject.differing('unknown-call', {
          embedded: expect.objectContaining({ code: 12 }),
          daprd: {
            code: 2,
            details: 'failed to proxy request: required metadata dapr-callee-app-id or dapr-app-id not found',
          },
        }),
      );
    });

    it('answers hello', async () => {
      expect(await outcome(subject.raw.call('hello', {}))).toMatchObject({ $typeName: 'google.protobuf.Empty' });
    });
  });

  row('messages', () => {
    it('takes the newer name of the completion call', async () => {
      const started = desk.start();
      const { token } = await desk.turn();
      const actions = [complete(1, '1')];
      await subject.raw.call('completeWorkflowTask', { instanceId: desk.id, actions, completionToken: token });
      await started;
      await expect.poll(() => desk.state(), patient).toMatchObject({ workflowStatus: WorkflowStatus.COMPLETED });
    });

    it('takes fields that it does not know', async () => {
      const request = create(CreateInstanceRequestSchema, { instanceId: desk.id, name: 'flow' });
      // Field 1000: a string of one letter.
      request.$unknown = [{ no: 1000, wireType: WireType.LengthDelimited, data: new Uint8Array([1, 65]) }];
      const started = subject.raw.call('startInstance', request);
      await desk.turn();
      await desk.answer([complete(1, '1')]);
      expect(await started).toMatchObject({ instanceId: desk.id });
    });
  });

  row('turn-begins', () => {
    it('begins with the time, and shows the times of earlier turns unchanged', async () => {
      const started = desk.start();
      const first = await desk.turn();
      expect(kinds(first.pastEvents)).toEqual([]);
      expect(kinds(first.newEvents)).toEqual(['workflowStarted', 'executionStarted']);
      await desk.answer([]);
      await started;
      await desk.raise('e', '1');
      const second = await desk.turn();
      expect(kinds(second.newEvents)).toEqual(['workflowStarted', 'eventRaised']);
      const begun = decode(first.newEvents)[0];
      expect(decode(second.pastEvents).find(({ event }) => event.case === 'workflowStarted')).toEqual(begun);
      await desk.answer([complete(1, '1')]);
    });
  });

  row('one-turn', () => {
    it('brings 50 events that arrive during a turn with the next ones, each once', repeatable, () =>
      subject.despiteCrashes(async () => {
        desk = deskOf(randomUUID());
        const started = desk.start();
        await desk.turn();
        const numbers = Array.from({ length: 50 }, (_, n) => String(n));
        const raised = Promise.all(numbers.map((n) => desk.raise('e', n)));
        raised.catch(() => {});
        await sleep(100);
        expect(desk.waiting()).toEqual([]);
        await desk.answer([]);
        await started;
        const seen: (string | undefined)[] = [];
        while (seen.length < 50) {
          seen.push(...raisedValues((await desk.turn()).newEvents));
          expect(desk.waiting()).toEqual([]);
          await desk.answer([]);
        }
        await raised;
        expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers);
      }),
    );
  });

  row('raise-answers', () => {
    it('answers a raise during a turn', async () => {
      const started = desk.start();
      await desk.turn();
      const raised = desk.raise('e', '1').then(() => 'at once');
      const seen = await Promise.race([raised, sleep(1500, 'after the turn')]);
      await desk.answer([]);
      await Promise.all([started, raised]);
      expect(seen).toEqual(subject.differing('raise-during-turn', { embedded: 'at once', daprd: 'after the turn' }));
      await desk.turn();
      await desk.answer([complete(1, '1')]);
    });
  });

  row('actions', () => {
    it('records each under its id', async () => {
      const started = desk.start();
      await desk.turn();
      const fireAt = timestampFromMs(Date.now() + 3_600_000);
      const other = deskOf(`${desk.id}-child`);
      await desk.answer([
        schedule(1),
        { id: 2, action: { case: 'createTimer', value: { fireAt } } },
        child(3, other.id),
      ]);
      await started;
      expect(await desk.activity()).toMatchObject({ name: 'work', input: '1', taskId: 1 });
      expect(kinds((await other.turn()).newEvents)).toEqual(['workflowStarted', 'executionStarted']);
      await desk.raise('e', '1');
      const { pastEvents } = await desk.turn();
      const recorded = decode(pastEvents).map(({ eventId, event }) => [eventId, event.case]);
      expect(recorded).toEqual([
        [-1, 'workflowStarted'],
        [-1, 'executionStarted'],
        [1, 'taskScheduled'],
        [2, 'timerCreated'],
        [3, 'childWorkflowCreated'],
      ]);
      await desk.answer([complete(4, '1')]);
      await other.answer([complete(1, '1')]);
    });
  });

  row('detached', () => {
    it("starts a workflow that is nobody's child", async () => {
      const other = deskOf(randomUUID());
      const started = desk.start();
      await desk.turn();
      const value = { instanceId: other.id, name: 'other', input: '1' };
      await desk.answer([{ id: 1, action: { case: 'createDetachedWorkflow', value } }, complete(2, '1')]);
      await started;
      const { newEvents } = await other.turn();
      const begun = decode(newEvents).find(({ event }) => event.case === 'executionStarted');
      expect(begun?.event.value).toMatchObject({ name: 'other', input: '1' });
      expect(begun?.event.value).not.toHaveProperty('parentInstance');
      await other.answer([complete(1, '1')]);
    });

    it('terminates another', async () => {
      const other = deskOf(randomUUID());
      const otherStarted = other.start();
      await other.turn();
      await other.answer([]);
      await otherStarted;
      const started = desk.start();
      await desk.turn();
      const value = { instanceId: other.id, reason: '"over"' };
      await desk.answer([{ id: 1, action: { case: 'terminateWorkflow', value } }, schedule(2)]);
      const done = started.then(async () => (await other.state())?.workflowStatus);
      const again = desk.turn().then(() => 'the same turn again');
      for (const each of [done, again]) each.catch(() => {});
      expect(await Promise.race([done, again])).toEqual(
        subject.differing('terminate-action', {
          embedded: WorkflowStatus.TERMINATED,
          daprd: 'the same turn again',
        }),
      );
    });
  });

  row('completion-once', () => {
    it('takes the first completion only', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([schedule(1), schedule(2)]);
      await started;
      await desk.activity();
      await desk.activity();
      await desk.result(1, '"first"');
      expect(await outcome(desk.result(1, '"second"'))).toEqual({ $typeName: 'CompleteTaskResponse' });
    });

    it('takes no completion that nobody asked for', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([schedule(1)]);
      await started;
      await desk.activity();
      expect(await outcome(desk.result(99, '"unknown"'))).toEqual({ $typeName: 'CompleteTaskResponse' });
    });

    it('takes no completion of a turn that is not out', async () => {
      expect(await outcome(desk.answer([complete(1, '1')]))).toEqual({ $typeName: 'CompleteTaskResponse' });
    });
  });

  row('late-completion', () => {
    it('does not change an instance that was terminated meanwhile', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([schedule(1)]);
      await started;
      await desk.activity();
      const terminating = subject.raw.call('terminateInstance', { instanceId: desk.id, output: '"over"' });
      await endIfAsked(desk, terminating);
      await desk.result(1, '"late"');
      await sleep(300);
      expect(await desk.state()).toMatchObject({ workflowStatus: WorkflowStatus.TERMINATED, output: '"over"' });
      expect(worker.ended).toBeUndefined();
    });
  });

  row('timer-fired', () => {
    it('says which timer fired and when it was due', async () => {
      const started = desk.start();
      await desk.turn();
      const fireAt = timestampFromMs(Date.now() + 200);
      await desk.answer([{ id: 1, action: { case: 'createTimer', value: { fireAt } } }]);
      await started;
      const turn = await desk.turn();
      expect(Date.now()).toBeGreaterThanOrEqual(timestampMs(fireAt));
      const fired = decode(turn.newEvents).at(-1);
      expect(fired).toMatchObject({
        eventId: -1,
        event: { case: 'timerFired', value: { timerId: 1, fireAt } },
      });
      await desk.answer([complete(2, '1')]);
    });
  });

  row('timers-removed', () => {
    it('sends no turn for a timer of an instance that is over', async () => {
      const started = desk.start();
      await desk.turn();
      const fireAt = timestampFromMs(Date.now() + 500);
      await desk.answer([{ id: 1, action: { case: 'createTimer', value: { fireAt } } }, complete(2, '1')]);
      await started;
      // Another timer, due later, shows that the time has come.
      const other = deskOf(randomUUID());
      const otherStarted = other.start();
      await other.turn();
      await other.answer([
        { id: 1, action: { case: 'createTimer', value: { fireAt: timestampFromMs(Date.now() + 1000) } } },
      ]);
      await otherStarted;
      await other.turn();
      expect(desk.waiting()).toEqual([]);
      await other.answer([complete(2, '1')]);
    });
  });

  row('continue-as-new', () => {
    it('begins the new generation with what was kept, then what arrived meanwhile', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([]);
      await started;
      await desk.raise('kept', '"kept"');
      const second = await desk.turn();
      const kept = second.newEvents.at(-1);
      const late = desk.raise('late', '"late"');
      await sleep(100);
      await desk.answer([continueAsNew(1, '2', kept === undefined ? [] : [kept])]);
      const third = await desk.turn();
      expect(kinds([...third.pastEvents, ...third.newEvents]).slice(0, 2)).toEqual([
        'workflowStarted',
        'executionStarted',
      ]);
      const seen = raisedValues([...third.pastEvents, ...third.newEvents]);
      if (seen.length < 2) {
        await desk.answer([]);
        seen.push(...raisedValues((await desk.turn()).newEvents));
      }
      await late;
      expect(seen).toEqual(['"kept"', '"late"']);
      expect(await desk.state()).toMatchObject({ workflowStatus: WorkflowStatus.RUNNING, input: '2' });
      await desk.answer([complete(1, '1')]);
    });

    it('keeps the parent', async () => {
      const other = deskOf(`${desk.id}-child`);
      const started = desk.start();
      await desk.turn();
      await desk.answer([child(1, other.id)]);
      await started;
      await other.turn();
      await other.answer([continueAsNew(1, '2')]);
      const { pastEvents, newEvents } = await other.turn();
      const begun = decode([...pastEvents, ...newEvents]).find(({ event }) => event.case === 'executionStarted');
      expect(begun?.event.value).toMatchObject({
        name: 'child',
        input: '2',
        parentInstance: { taskScheduledId: 1, workflowInstance: { instanceId: desk.id } },
      });
      await other.answer([complete(1, '"end"')]);
      const last = decode((await desk.turn()).newEvents).at(-1);
      expect(last?.event).toMatchObject({
        case: 'childWorkflowCompleted',
        value: { taskScheduledId: 1, result: '"end"' },
      });
      await desk.answer([complete(2, '1')]);
    });

    it('does not take the result of an activity of the old generation', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([schedule(1)]);
      await started;
      await desk.activity();
      await desk.raise('e', '1');
      await desk.turn();
      await desk.answer([continueAsNew(2, '2')]);
      await desk.turn();
      await desk.answer([]);
      await desk.result(1, '"old"');
      const raised = desk.raise('f', '1');
      const seen: (string | undefined)[] = [];
      while (!seen.includes('eventRaised')) {
        seen.push(...kinds((await desk.turn()).newEvents).filter((kind) => kind !== 'workflowStarted'));
        await desk.answer([]);
      }
      await raised;
      expect(seen).toEqual(
        subject.differing('result-of-former-generation', {
          embedded: ['eventRaised'],
          daprd: ['taskCompleted', 'eventRaised'],
        }),
      );
    });
  });

  row('suspend', () => {
    it('tells a suspended workflow of a second suspend only on daprd', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([]);
      await started;
      const seen: (string | undefined)[] = [];
      for (const request of ['suspendInstance', 'suspendInstance', 'resumeInstance'] as const) {
        const done = subject.raw.call(request, { instanceId: desk.id });
        let isDone = false;
        void done.then(() => (isDone = true));
        await expect.poll(() => isDone || desk.waiting().length > 0, patient).toBe(true);
        if (!isDone || desk.waiting().length > 0) {
          seen.push(...kinds((await desk.turn()).newEvents).filter((kind) => kind !== 'workflowStarted'));
          await desk.answer([]);
        }
        await done;
      }
      expect(seen).toEqual(
        subject.differing('second-suspend', {
          embedded: ['executionSuspended', 'executionResumed'],
          daprd: ['executionSuspended', 'executionSuspended', 'executionResumed'],
        }),
      );
    });
  });

  row('statuses', () => {
    it('shows an instance as stalled whose version its worker does not have', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([]);
      await started;
      await desk.raise('e', '1');
      await desk.turn();
      await desk.answer([{ id: 1, action: { case: 'versionNotAvailable', value: {} } }]);
      await expect.poll(() => desk.state(), patient).toMatchObject({ workflowStatus: WorkflowStatus.STALLED });
      expect(await outcome(desk.raise('e', '1'))).toEqual({
        code: 2,
        details: `failed to invoke method for workflow '${desk.id}': actor is stalled`,
      });
    });
  });

  row('custom-status', () => {
    it('is kept by a turn that sets none, and over a continue-as-new', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([], 'busy');
      await started;
      await desk.raise('e', '1');
      await desk.turn();
      await desk.answer([continueAsNew(1, '2')]);
      await desk.turn();
      expect(await desk.state()).toMatchObject({ customStatus: 'busy' });
      await desk.answer([complete(1, '1')]);
    });
  });

  row('terminate', () => {
    it('wins over a turn that continues as new', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([]);
      await started;
      await desk.raise('e', '1');
      await desk.turn();
      const terminating = subject.raw.call('terminateInstance', { instanceId: desk.id, output: '"over"' });
      await sleep(200);
      await desk.answer([continueAsNew(1, '2')]);
      await endIfAsked(desk, terminating);
      expect(await desk.state()).toMatchObject({ workflowStatus: WorkflowStatus.TERMINATED, output: '"over"' });
    });
  });

  row('execution-id', () => {
    it('is the same in every turn of a generation and another in the next', async () => {
      const started = desk.start();
      const first = await desk.turn();
      await desk.answer([]);
      await started;
      await desk.raise('e', '1');
      const second = await desk.turn();
      await desk.answer([continueAsNew(1, '2')]);
      const third = await desk.turn();
      await desk.answer([complete(1, '1')]);
      const [one, two, three] = [executionIds(first), executionIds(second), executionIds(third)];
      expect(one).toHaveLength(1);
      expect(two).toEqual(one);
      expect(three).toHaveLength(1);
      expect(three).not.toEqual(one);
      expect([first.executionId, second.executionId, third.executionId]).toEqual(
        subject.differing('execution-id-of-turns', {
          embedded: [one[0], one[0], three[0]],
          daprd: [undefined, undefined, undefined],
        }),
      );
    });
  });

  row('send-event', () => {
    it('delivers an event to an instance', async () => {
      const other = deskOf(randomUUID());
      const otherStarted = other.start();
      await other.turn();
      await other.answer([]);
      await otherStarted;
      const started = desk.start();
      await desk.turn();
      await desk.answer([send(1, other.id), complete(2, '1')]);
      const arrival = other.turn().then(({ newEvents }) => raisedValues(newEvents));
      const again = desk.turn().then(() => 'the same turn again');
      for (const each of [started, arrival, again]) each.catch(() => {});
      expect(await Promise.race([arrival, again])).toEqual(
        subject.differing('sent-event', {
          embedded: ['1'],
          daprd: 'the same turn again',
        }),
      );
    });

    it('goes on if there is nobody to deliver it to', async () => {
      const started = desk.start();
      await desk.turn();
      await desk.answer([send(1, randomUUID()), complete(2, '1')]);
      const done = started.then(() => 'goes on');
      const again = desk.turn().then(() => 'the same turn again');
      for (const each of [done, again]) each.catch(() => {});
      expect(await Promise.race([done, again])).toEqual(
        subject.differing('sent-event', {
          embedded: 'goes on',
          daprd: 'the same turn again',
        }),
      );
    });
  });
});

function executionIds({ pastEvents, newEvents }: WorkflowRequest): (string | undefined)[] {
  return decode([...pastEvents, ...newEvents]).flatMap(({ event }) =>
    event.case === 'executionStarted' ? [event.value.workflowInstance?.executionId] : [],
  );
}

/** daprd has the worker end a terminated instance, as SDKs do; the embedded engine ends it by itself. */
async function endIfAsked(desk: Desk, terminating: Promise<unknown>): Promise<void> {
  const over = terminating.then(() => true);
  while (!(await Promise.race([over, sleep(20, false)]))) {
    if (desk.waiting().length === 0) continue;
    const { newEvents } = await desk.turn();
    await desk.answer(kinds(newEvents).includes('executionTerminated') ? [terminated(90)] : []);
  }
}
