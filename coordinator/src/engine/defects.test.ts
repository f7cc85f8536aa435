import { Worker } from 'node:worker_threads';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { completed } from '../workflow-kit/testing/scripted-activities.ts';
import { defineWorkflow, type WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { messages, newMessage } from './sdk.ts';
import { endings, type HistoryEvent, HubInstance, rawEvent, type Turn } from './testing/hub-instance.ts';
import { EngineRefusal, TaskHub } from './testing/task-hub.ts';
import { envelopeOf, patient, TestEngine, workflow } from './testing/test-engine.ts';

type StatusNumber = Parameters<InstanceType<typeof messages.OrchestrationState>['setOrchestrationstatus']>[0];

/** What the SDK gets wrong within one turn. The engine is the test's own, so that it says what comes together. */

let hub: TaskHub;
let test: TestEngine;

beforeEach(async () => {
  hub = await TaskHub.start();
});

afterEach(async () => {
  await test[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

/** Begins a run and makes its first turns, up to where it waits for more than activities. */
async function begin(definition: WorkflowDefinition, input: unknown = {}, script = {}) {
  test = await TestEngine.connect({ address: hub.address, workflows: [definition], script });
  await expect.poll(() => hub.workers, patient).toBe(1);
  test.activities.input = input;
  const instance = new HubInstance(hub, 'run');
  const first = await instance.start('steps@1', envelopeOf('run', test.activities, input));
  return { instance, first };
}

/** Takes what the scripted activities raised since it was last asked. */
function raisedEvents(): () => HistoryEvent[] {
  const raised: HistoryEvent[] = [];
  vi.spyOn(test, 'raise').mockImplementation(async (_runId, name, event) => {
    raised.push(rawEvent(name, JSON.stringify(event)));
  });
  return () => raised.splice(0);
}

const endOf = ({ end }: Turn): { status: number; failure: string | undefined } => ({
  status: end?.getOrchestrationstatus() ?? -1,
  failure: end?.getFailuredetails()?.getErrormessage(),
});
const completedEnd = { status: endings.ORCHESTRATION_STATUS_COMPLETED, failure: undefined };

describe('events in the turn that ends a run', () => {
  it('do not change how it ended, even where they are not JSON', async () => {
    const { instance, first } = await begin(workflow((mesh) => mesh.call({ skill: 'a' }, {})));
    const claimed = await instance.turn(first.completions);
    const called = await instance.turn(claimed.completions);
    // The waiter for cancel is still there when the run has ended.
    const last = await instance.turn([...called.completions, rawEvent('cancel', 'plain text'), rawEvent('other', '{')]);
    expect(endOf(last)).toEqual(completedEnd);
  });

  it('reach the next generation where it continues as new', async () => {
    const again = workflow(async function* (mesh, input) {
      if (mesh.generation === 0) {
        yield* mesh.progress('one');
        yield* mesh.continueAsNew(input);
      }
      return yield* mesh.waitFor('tick');
    });
    const { instance, first } = await begin(again);
    const claimed = await instance.turn(first.completions);
    const last = await instance.turn([...claimed.completions, rawEvent('tick', 'plain text'), rawEvent('Tick', '0')]);
    expect(endOf(last).status).toBe(endings.ORCHESTRATION_STATUS_CONTINUED_AS_NEW);
    const carried = last.end?.getCarryovereventsList().map((event) => event.getEventraised());
    expect(carried?.map((event) => [event?.getName(), event?.getInput()?.getValue()])).toEqual([
      ['tick', '"plain text"'],
      ['tick', '0'],
    ]);
  });
});

describe('a wait that ended before its generation did', () => {
  it('does not swallow an event that arrives with the end of the generation', async () => {
    const again = workflow(async function* (mesh) {
      yield* mesh.waitFor('tick', { timeout: '1h' });
      return yield* mesh.continueAsNew({});
    });
    const { instance, first } = await begin(again);
    const take = raisedEvents();
    await instance.settle(first);
    test.activities.receive('tick', { status: 'timed-out' });
    const last = await instance.turn([...take(), rawEvent('tick', '"late"')]);
    const carried = last.end?.getCarryovereventsList().map((event) => event.getEventraised()?.getInput()?.getValue());
    expect(carried).toEqual(['"late"']);
  });
});

describe('payloads that are falsy', () => {
  it.each(['0', 'false', '""', 'null'])('%s is carried over to the next generation as it is', async (payload) => {
    const { instance, first } = await begin(workflow((mesh) => mesh.continueAsNew({})));
    const last = await instance.turn([rawEvent('tick', payload), ...first.completions]);
    const carried = last.end?.getCarryovereventsList().map((event) => event.getEventraised()?.getInput()?.getValue());
    expect(carried).toEqual([payload]);
  });

  it.each([[0], [false], [''], [null]])('%j reaches a workflow as input, result and output', async (value) => {
    const seen: unknown[] = [];
    const echoing = workflow(async function* (mesh, input) {
      seen.push(input, yield* mesh.activity('echo', input));
      return input;
    });
    const { instance, first } = await begin(echoing, value, { local: (_name: string, input: unknown) => input });
    expect(endOf(await instance.settle(first))).toEqual(completedEnd);
    expect(new Set(seen)).toEqual(new Set([value]));
    expect(test.activities.end).toEqual({ status: 'completed', output: { result: value } });
  });
});

describe('events of any name', () => {
  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])(
    '%s neither breaks a run nor is lost',
    async (name) => {
      const { instance, first } = await begin(
        workflow(async function* (mesh) {
          yield* mesh.progress('one');
          return yield* mesh.waitFor(name);
        }),
      );
      const claimed = await instance.turn([rawEvent(name, '1'), ...first.completions]);
      await instance.settle(claimed);
      expect(test.activities.log).toContain(`propose ${name.toLowerCase()}`);
    },
  );
});

describe('a suspend of a suspended instance', () => {
  it('is swallowed: the events that came meanwhile are seen after the resume, and the process lives on', async () => {
    test = new TestEngine({ address: hub.address });
    // In a thread of its own: without the guard it never comes back.
    const thread = new Worker(join(import.meta.dirname, 'testing', 'suspended-worker.ts'), { workerData: hub.address });
    try {
      await expect.poll(() => hub.workers, patient).toBe(1);
      const instance = new HubInstance(hub, 'run');
      const first = await instance.start('steps@1', envelopeOf('run', test.activities));
      const asked = await instance.turn(first.completions);
      await instance.settle(asked);
      const suspend = newMessage.newSuspendEvent();
      const resumed = vi.fn<(turn: Turn) => void>();
      void instance
        .turn([suspend, suspend, rawEvent('x', '1'), rawEvent('cancel', '{}'), newMessage.newResumeEvent()])
        .then(resumed);
      await expect.poll(() => resumed.mock.calls.length, patient).toBe(1);
      // And in a replay of that.
      const replayed = vi.fn<(turn: Turn) => void>();
      void instance.turn([rawEvent('y', '1')]).then(replayed);
      await expect.poll(() => replayed.mock.calls.length, patient).toBe(1);
    } finally {
      await thread.terminate();
    }
  });
});

const failing = async (definition: WorkflowDefinition): Promise<string | undefined> => {
  const { instance, first } = await begin(definition);
  const last = await instance.settle(first);
  expect(endOf(last).status).toBe(endings.ORCHESTRATION_STATUS_FAILED);
  expect(test.activities.end).toMatchObject({ status: 'failed' });
  return endOf(last).failure;
};

describe('a workflow that fails', () => {
  it('by throwing what is no error fails with a reason all the same', async () => {
    const throwing = workflow(async function* (mesh) {
      yield* mesh.progress('one');
      // oxlint-disable-next-line no-throw-literal -- that is what is tested
      throw 'a string';
    });
    expect(await failing(throwing)).toBe('the workflow failed unexpectedly');
  });

  it.each([
    ['a number', 5],
    ['a string', 'abc'],
    ['an object', [{}]],
    ['a promise', [Promise.resolve()]],
  ])('by yielding %s as its first wait fails instead of hanging', async (_what, value) => {
    const yielding = workflow(async function* () {
      // What the types forbid.
      yield value as never;
    });
    expect(await failing(yielding)).toBe('the workflow failed unexpectedly');
  });

  it('because two steps failed in one turn sees both failures', async () => {
    const both = workflow((mesh) =>
      mesh.all([mesh.activity('a', {}, { attempts: 1 }), mesh.activity('b', {}, { attempts: 1 })], {
        onFailure: 'collect',
      }),
    );
    const { instance, first } = await begin(both);
    const claimed = await instance.turn(first.completions);
    // The claim was the first task, these are the next two.
    expect(claimed.completions).toHaveLength(2);
    const failures = [2, 3].map((id) => newMessage.newTaskFailedEvent(id, new Error(`broken ${id}`)));
    const last = await instance.settle(await instance.turn(failures));
    expect(endOf(last)).toEqual(completedEnd);
    const results = ['broken 2', 'broken 3'].map((text) => ({
      ok: false,
      failure: { message: expect.stringContaining(text) },
    }));
    expect(test.activities.end).toMatchObject({ output: { result: results } });
  });
});

describe('a fan-out', () => {
  it('whose first branch failed survives the end of the others, in the same turn and later', async () => {
    const caught = workflow(async function* (mesh) {
      try {
        yield* mesh.all([0, 1, 2].map((n) => mesh.activity(`step ${n}`, {}, { attempts: 1 })));
      } catch {
        return yield* mesh.waitFor('done');
      }
      return 'not failed';
    });
    const { instance, first } = await begin(caught);
    const claimed = await instance.turn(first.completions);
    const [one, two, three] = claimed.completions;
    if (!one || !two || !three) throw new Error('three activities were expected');
    const failure = newMessage.newTaskFailedEvent(2, new Error('broken'));
    const failed = await instance.turn([failure, two]);
    expect(failed.end).toBeUndefined();
    const late = await instance.turn([three, ...failed.completions]);
    expect(late.end).toBeUndefined();
    const last = await instance.settle(await instance.turn([...late.completions, rawEvent('done', '1')]));
    expect(last.end?.getFailuredetails()).toBeUndefined();
  });

  it('of nothing, of what is done already, and of fan-outs completes', async () => {
    const nested = workflow(async function* (mesh) {
      const none = yield* mesh.all([]);
      const inner = () =>
        mesh.all([mesh.call({ skill: 'a' }, {}), mesh.all([]), mesh.all([mesh.call({ skill: 'b' }, {})])]);
      return [none, yield* mesh.all([inner(), mesh.call({ skill: 'c' }, {})])];
    });
    const agents = { a: () => completed(1), b: () => completed(2), c: () => completed(3) };
    const { instance, first } = await begin(nested, {}, { agents });
    await instance.settle(first);
    expect(test.activities.end).toEqual({ status: 'completed', output: { result: [[], [[1, [], [2]], 3]] } });
  });
});

describe('a wait that lost its race', () => {
  it('does not swallow the event that comes later', async () => {
    const listening = workflow(async function* (mesh) {
      const outcomes = [];
      for (let n = 0; n < 3; n++) outcomes.push((yield* mesh.waitFor('x', { timeout: '1h' })).status);
      return outcomes;
    });
    const { instance, first } = await begin(listening);
    const take = raisedEvents();
    await instance.settle(first);
    for (let n = 0; n < 2; n++) {
      test.activities.receive('x', { status: 'timed-out' });
      await instance.settle(await instance.turn(take()));
    }
    const proposed = await instance.settle(await instance.turn([rawEvent('x', '"late"')]));
    expect(proposed.end).toBeUndefined();
    await instance.settle(await instance.turn(take()));
    expect(test.activities.end).toMatchObject({ output: { result: ['timed-out', 'timed-out', 'received'] } });
  });
});

describe('what is too large for the engine', () => {
  const big = 'x'.repeat(3 * 1024 * 1024);
  const failure = { status: 'failed', failure: { code: 'PAYLOAD_TOO_LARGE', retryable: false } };
  const making = workflow((mesh) => mesh.activity('make', {}));

  it('fails the activity whose result it is, and is not sent', async () => {
    const { instance, first } = await begin(making, {}, { local: () => big });
    let largest = 0;
    hub.onActivity = (answer) => (largest = Math.max(largest, answer.getResult()?.getValue().length ?? 0));
    await instance.settle(first);
    expect(test.activities.end).toMatchObject(failure);
    expect(largest).toBeLessThan(10_000);
  });

  it('fails the activity too where the engine takes less than we think', async () => {
    const { instance, first } = await begin(making, {}, { local: () => 'x'.repeat(100_000) });
    hub.onActivity = (answer) => {
      if ((answer.getResult()?.getValue().length ?? 0) < 100_000) return;
      throw new EngineRefusal(status.RESOURCE_EXHAUSTED, 'grpc: received message larger than max');
    };
    await instance.settle(first);
    expect(test.activities.end).toMatchObject(failure);
  });

  it('fails the instance where it is the turn', async () => {
    const { instance, first } = await begin(workflow((mesh) => mesh.activity('take', { big: 'x'.repeat(100_000) })));
    hub.onTurn = (answer) => {
      if (answer.serializeBinary().length < 100_000) return;
      throw new EngineRefusal(status.RESOURCE_EXHAUSTED, 'grpc: received message larger than max');
    };
    const last = await instance.turn(first.completions);
    expect(last.end?.getFailuredetails()?.getErrortype()).toBe('PayloadTooLarge');
    expect(endOf(last).failure).toContain('larger than max');
  });
});

describe('the status of an instance', () => {
  it.each([
    [0, 'running'],
    [1, 'completed'],
    [2, 'running'],
    [3, 'failed'],
    [4, 'terminated'],
    [5, 'terminated'],
    [6, 'pending'],
    [7, 'suspended'],
    [8, 'stalled'],
    [99, 'stalled'],
  ] as const)('%i is %s', async (number, name) => {
    test = new TestEngine({ address: hub.address });
    hub.on('getInstance', () => {
      const state = new messages.OrchestrationState();
      // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- also those that the SDK does not know
      state.setOrchestrationstatus(number as StatusNumber);
      const response = new messages.GetInstanceResponse();
      response.setExists(true);
      response.setOrchestrationstate(state);
      return response;
    });
    expect(await test.engine.status('run')).toBe(name);
  });
});

function* sync() {
  yield [];
  return 1;
}

it('a workflow that is no async generator is refused', () => {
  test = new TestEngine({ address: hub.address });
  const rest = { name: 'wrong', version: 1, description: '', input: z.unknown(), output: z.unknown() };
  const refused = /must be an async generator/;
  // What the types forbid.
  expect(() => defineWorkflow({ ...rest, run: sync as never })).toThrow(refused);
  expect(() => defineWorkflow({ ...rest, run: (async () => 1) as never })).toThrow(refused);
});
