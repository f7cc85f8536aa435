import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSidecar } from '@daca-mesh/sidecar';
import { status } from '@grpc/grpc-js';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { patient, TestEngine, workflow } from './testing/test-engine.ts';
import { EngineRefusal, TaskHub } from './testing/task-hub.ts';
import { TcpProxy } from './testing/tcp-proxy.ts';

let folder: string;
const cleanup: (() => unknown)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'supervision-'));
});

afterEach(async () => {
  for (const undo of cleanup.splice(0).toReversed()) await undo();
  await rm(folder, { recursive: true });
});

interface SpawnedSidecar {
  address: string;
  child: ChildProcess;
  /** Resolves when the process is gone. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
}

async function spawnSidecar(port = '0'): Promise<SpawnedSidecar> {
  const script = join(import.meta.dirname, 'testing', 'sidecar-process.ts');
  const child = spawn(process.execPath, [script, join(folder, 'engine.db'), port], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  cleanup.push(() => end('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  return { address: String(line).trim(), child, end };
}

const openSockets = (): number => process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length;
const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

async function connect(options: ConstructorParameters<typeof TestEngine>[0]): Promise<TestEngine> {
  const test = await TestEngine.connect(options);
  cleanup.push(() => test[Symbol.asyncDispose]());
  return test;
}

describe('a sidecar that restarts on its port', () => {
  it('ten times in a row, killed or ended, is found again each time, and leaves nothing behind', async () => {
    let sidecar = await spawnSidecar();
    const { address } = sidecar;
    const test = await connect({ address });
    const { engine, activities } = test;
    const first = await test.run();
    await expect.poll(() => activities.openQuestions.length, patient).toBe(1);
    const reconnected = vi.fn<() => void>();
    engine.onReconnect(reconnected);
    const before = { sockets: openSockets(), timers: timers() };
    for (let round = 1; round <= 10; round++) {
      await sidecar.end(round % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
      // Nothing in between: whoever asks now must not be told that it is there.
      await vi.waitFor(() => expect(engine.ready()).toBe(false), { timeout: 1_000, interval: 1 });
      await expect(engine.terminate(first)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      sidecar = await spawnSidecar(address.split(':')[1]);
      await expect.poll(() => engine.ready(), patient).toBe(true);
      await expect.poll(() => reconnected.mock.calls.length, patient).toBe(round);
      // The same client object as before.
      await vi.waitFor(() => test.run(), patient);
      await expect.poll(() => activities.openQuestions.length, patient).toBe(round + 1);
    }
    await expect.poll(() => openSockets(), patient).toBeLessThanOrEqual(before.sockets);
    // One is that of the poll.
    await expect.poll(() => timers(), patient).toBeLessThanOrEqual(before.timers + 1);
    test.answerFirstQuestion();
    await expect.poll(() => activities.end, patient).toMatchObject({ status: 'completed' });
    await expect.poll(() => engine.status(first), patient).toBe('completed');
  }, 120_000);
});

describe('an engine that is away', () => {
  it('is tried often, also after a while', async () => {
    const sidecar = await startSidecar({ path: join(folder, 'engine.db'), durability: 'normal' });
    const proxy = await TcpProxy.start(sidecar.address);
    cleanup.push(() => proxy[Symbol.asyncDispose]());
    await sidecar.close();
    // Its worker is not started: only requests connect.
    const test = new TestEngine({ address: proxy.address });
    cleanup.push(() => test[Symbol.asyncDispose]());
    // With gRPC's own pauses the eighth try would be made after 40 s.
    const tries = async () => {
      await test.engine.status('run').catch(() => undefined);
      return proxy.accepted;
    };
    await expect.poll(tries, patient).toBeGreaterThanOrEqual(8);
  }, 30_000);

  it('is reported with the reason, and not with every try', async () => {
    const hub = await TaskHub.start();
    cleanup.push(() => hub[Symbol.asyncDispose]());
    let refusals = 0;
    hub.onHello = () => {
      refusals++;
      throw new EngineRefusal(status.UNAUTHENTICATED, 'authentication error: api token mismatch');
    };
    const lines: { level: number; msg: string; err?: { message: string } }[] = [];
    const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    const test = new TestEngine({ address: hub.address, logger });
    cleanup.push(() => test[Symbol.asyncDispose]());
    await test.engine.start();
    await expect.poll(() => lines.length, patient).toBeGreaterThan(0);
    await expect.poll(() => refusals, patient).toBeGreaterThan(4);
    expect(lines).toMatchObject([
      { level: 40, msg: 'the workflow engine cannot be reached', err: { message: expect.stringContaining('token') } },
    ]);
  });
});

describe('a connection that went dead without an end', () => {
  const timing = { keepaliveMs: 300, keepaliveTimeoutMs: 300, connectMs: 500, requestMs: 1_000 };

  it('is noticed, given up, and replaced when there is a way again', async () => {
    const sidecar = await startSidecar({ path: join(folder, 'engine.db'), durability: 'normal' });
    cleanup.push(() => sidecar.close());
    const proxy = await TcpProxy.start(sidecar.address);
    cleanup.push(() => proxy[Symbol.asyncDispose]());
    const test = await connect({ address: proxy.address, timing });
    const runId = await test.run();
    await expect.poll(() => test.activities.openQuestions.length, patient).toBe(1);
    for (let round = 0; round < 2; round++) {
      proxy.freeze();
      await expect.poll(() => test.engine.ready(), patient).toBe(false);
      const { accepted } = proxy;
      const refused = test.engine.raise(runId, 'x', { n: 99, token: 't', payload: {} });
      await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      // A way that swallows what is sent is no way either, for worker and client.
      // The second request finds the first connection given up, and the next one stuck.
      for (let n = 0; n < 2; n++) {
        await expect(test.engine.status(runId)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      }
      await expect.poll(() => proxy.accepted - accepted, patient).toBeGreaterThanOrEqual(2);
      expect(test.engine.ready()).toBe(false);
      proxy.thaw();
      await expect.poll(() => test.engine.ready(), patient).toBe(true);
      expect(await test.engine.status(runId)).toBe('running');
    }
    test.answerFirstQuestion();
    await expect.poll(() => test.activities.end, patient).toMatchObject({ status: 'completed' });
  }, 60_000);

  it('does not make a request wait for longer than its limit', async () => {
    const sidecar = await startSidecar({ path: join(folder, 'engine.db'), durability: 'normal' });
    cleanup.push(() => sidecar.close());
    const proxy = await TcpProxy.start(sidecar.address);
    cleanup.push(() => proxy[Symbol.asyncDispose]());
    // Longer than the test takes.
    const keepalive = { keepaliveMs: 2_000, keepaliveTimeoutMs: 2_000 };
    const test = await connect({ address: proxy.address, timing: { ...keepalive, requestMs: 500 } });
    const runId = await test.run();
    await expect.poll(() => test.activities.openQuestions.length, patient).toBe(1);
    proxy.freeze();
    const raise = () => test.engine.raise(runId, 'x', { n: 99, token: 't', payload: {} });
    await expect(raise()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    await expect(raise()).rejects.toThrow('away');
  });
});

describe('the end of an engine', () => {
  it('waits for the activities that are under way, and leaves no socket', async () => {
    const sidecar = await startSidecar({ path: join(folder, 'engine.db'), durability: 'normal' });
    cleanup.push(() => sidecar.close());
    const gate = Promise.withResolvers<object>();
    const slow = workflow((mesh) => mesh.activity('slow', {}));
    const before = openSockets();
    const test = await connect({ address: sidecar.address, workflows: [slow], script: { local: () => gate.promise } });
    await test.run();
    await expect.poll(() => test.activities.log, patient).toContain('local slow');
    let isClosed = false;
    const closing = test.engine.close().then(() => (isClosed = true));
    expect(test.engine.ready()).toBe(false);
    gate.resolve({ answered: true });
    await closing;
    expect(isClosed).toBe(true);
    await expect.poll(() => openSockets(), patient).toBeLessThanOrEqual(before);
    // The answer arrived: another worker goes on behind it.
    const next = await connect({ address: sidecar.address, workflows: [slow], script: { local: () => 'again' } });
    await expect
      .poll(() => next.activities.end ?? test.activities.end, patient)
      .toMatchObject({ output: { result: { answered: true } } });
  });
});
