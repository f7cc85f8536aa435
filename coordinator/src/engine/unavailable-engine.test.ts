import { setTimeout as sleep } from 'node:timers/promises';
import { newTaskId } from '@daca-mesh/protocol';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EngineRefusal, TaskHub } from './testing/task-hub.ts';
import { TcpProxy } from './testing/tcp-proxy.ts';
import { patient, TestEngine } from './testing/test-engine.ts';

/** What daprd answers when it cannot serve, in its own codes and words, from an engine in the hands of the test. */

let hub: TaskHub;
let test: TestEngine;

beforeEach(async () => {
  hub = await TaskHub.start();
  test = await TestEngine.connect({ address: hub.address, timing: { requestMs: 1_000 } });
  await vi.waitUntil(() => hub.workers === 1, patient);
});

afterEach(async () => {
  await test[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

const runId = newTaskId();
const raise = () => test.engine.raise(runId, 'x', { n: 1, token: 't', payload: {} });
const calls = (name: 'raiseEvent' | 'startInstance') => hub.calls.get(name) ?? 0;

const noWorkerKnown = new EngineRefusal(
  status.FAILED_PRECONDITION,
  "failed to lookup actor: api error: code = FailedPrecondition desc = did not find address for actor 'dapr.internal.default.coordinator.workflow/ID'",
);
const unavailable = { code: 'UNAVAILABLE', retryable: true };

describe('an engine that takes seconds to say that it cannot serve', () => {
  it('is asked once, then by single probes, and everything passes when it can again', async () => {
    const recovered = vi.fn<() => void>();
    test.engine.onReconnect(recovered);
    hub.on('raiseEvent', async () => {
      await sleep(300);
      throw noWorkerKnown;
    });
    await expect(raise()).rejects.toMatchObject(unavailable);
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, raise));
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    expect(calls('raiseEvent')).toBe(1);

    // However many ask, only probes get through.
    await expect
      .poll(async () => {
        await Promise.allSettled(Array.from({ length: 20 }, raise));
        return calls('raiseEvent');
      }, patient)
      .toBe(3);
    expect(recovered).not.toHaveBeenCalled();

    hub.on('raiseEvent', () => undefined);
    await vi.waitFor(async () => expect(await raise()).toBe('accepted'), patient);
    expect(recovered).toHaveBeenCalledTimes(1);
    expect(await Promise.all(Array.from({ length: 20 }, raise))).toEqual(Array.from({ length: 20 }, () => 'accepted'));
  });

  it('is asked at once when there is a new connection', async () => {
    hub.on('raiseEvent', () => {
      throw noWorkerKnown;
    });
    // Enough to be refused for a second.
    const failThrice = async () => {
      await raise().catch(() => undefined);
      return calls('raiseEvent');
    };
    await expect.poll(failThrice, patient).toBe(3);
    hub.on('raiseEvent', () => undefined);
    const reconnected = Promise.withResolvers<void>();
    test.engine.onReconnect(() => reconnected.resolve());
    hub.endStreams();
    await reconnected.promise;
    expect(await raise()).toBe('accepted');
  });

  it('does not hold a start for ever, and one that happened all the same is found', async () => {
    hub.on('startInstance', () => new Promise(() => undefined));
    await expect(test.run()).rejects.toMatchObject(unavailable);
    const existing =
      "failed to create workflow instance: rpc error: code = AlreadyExists desc = an active workflow with ID 'X' already exists";
    hub.on('startInstance', () => {
      throw new EngineRefusal(status.ALREADY_EXISTS, existing);
    });
    await vi.waitFor(() => test.run(), patient);
  });
});

describe('an answer of the engine', () => {
  it.each([
    [status.UNKNOWN, 'no such instance exists', 'no-instance'],
    [status.NOT_FOUND, 'no such instance exists', 'no-instance'],
  ])('%i "%s" to an event means: %s', async (code, text, meaning) => {
    hub.on('raiseEvent', () => {
      throw new EngineRefusal(code, text);
    });
    expect(await raise()).toBe(meaning);
  });

  it.each([status.ALREADY_EXISTS, status.UNKNOWN])('%i with "already exists" to a start is a success', async (code) => {
    hub.on('startInstance', () => {
      throw new EngineRefusal(code, "an active workflow with ID 'X' already exists");
    });
    await expect(test.run()).resolves.toEqual(expect.any(String));
  });

  it.each([
    ['an instance that is stalled', status.UNKNOWN, 'workflow is stalled', 'INTERNAL', true],
    ['a busy database', status.UNKNOWN, 'failed to begin transaction: database is locked', 'INTERNAL', true],
    [
      'a message that is too large',
      status.RESOURCE_EXHAUSTED,
      'received message larger than max',
      'PAYLOAD_TOO_LARGE',
      false,
    ],
  ])('about %s is a refusal of that request alone', async (_what, code, text, meaning, retryable) => {
    hub.on('raiseEvent', () => {
      throw new EngineRefusal(code, text);
    });
    for (let n = 1; n <= 3; n++) {
      await expect(raise()).rejects.toMatchObject({ code: meaning, retryable });
      expect(calls('raiseEvent')).toBe(n);
    }
  });

  it.each([
    [status.CANCELLED, 'shutting down'],
    [status.UNAVAILABLE, 'actor runtime is closed'],
    [status.UNKNOWN, 'failed to invoke target: actor runtime is closed'],
    [status.UNKNOWN, 'failed to create actor: actor type dapr.internal.default.coordinator.workflow not registered'],
    [status.UNKNOWN, 'context canceled'],
    [status.UNAUTHENTICATED, 'authentication error: api token mismatch'],
  ])('%i "%s" means that nothing will succeed', async (code, text) => {
    hub.on('raiseEvent', () => {
      throw new EngineRefusal(code, text);
    });
    await expect(raise()).rejects.toMatchObject(unavailable);
    await expect(raise()).rejects.toThrow('away');
    expect(calls('raiseEvent')).toBe(1);
  });

  it('that an instance is not over refuses its purge, and one that is not there counts as purged', async () => {
    hub.on('purgeInstances', () => {
      throw new EngineRefusal(status.UNKNOWN, 'failed to purge workflow state: orchestration has not yet completed');
    });
    await expect(test.engine.purge(runId)).rejects.toMatchObject({ code: 'INTERNAL', retryable: true });
    hub.on('purgeInstances', () => {
      throw new EngineRefusal(status.UNKNOWN, 'failed to purge workflow state: no such instance exists');
    });
    await test.engine.purge(runId);
  });
});

describe('the stream of work', () => {
  it.each([
    ['ends in order', undefined],
    ['is cancelled by a daprd that reloads', new EngineRefusal(status.CANCELLED, 'shutting down')],
    ['breaks', new EngineRefusal(status.UNAVAILABLE, 'unable to establish work item stream at this time')],
  ])('that %s is opened again, each time', async (_how, error) => {
    await test[Symbol.asyncDispose]();
    await using proxy = await TcpProxy.start(hub.address);
    test = await TestEngine.connect({ address: proxy.address });
    const reconnected = vi.fn<() => void>();
    test.engine.onReconnect(reconnected);
    for (let n = 1; n <= 3; n++) {
      await expect.poll(() => hub.workers, patient).toBe(1);
      hub.endStreams(error);
      await expect.poll(() => reconnected.mock.calls.length, patient).toBe(n);
      expect(test.engine.ready()).toBe(true);
    }
    // Those of the lost workers were given up.
    await expect.poll(() => proxy.open, patient).toBe(1);
  });
});
