import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDapr, howToGetDapr, type RunningDapr, startDapr } from '@daca-mesh/dapr';
import { isMeshError, newTaskId } from '@daca-mesh/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseAddress } from './address.ts';
import { defaultTiming } from './grpc-options.ts';
import { InstanceClient } from './instance-client.ts';
import { DaprWorkflowClient } from './sdk.ts';
import { envelopeOf, TestEngine, workflow } from './testing/test-engine.ts';

/** The adapter against Dapr's own sidecar. After a kill that may do nothing for 25 s. */

const patient = { timeout: 60_000, interval: 20 };
vi.setConfig({ testTimeout: 90_000 });

/** daprd takes a moment until it knows a worker that has just connected. */
const run = (engine: TestEngine, input?: unknown): Promise<string> => vi.waitFor(() => engine.run(input), patient);
const asked = ({ activities }: TestEngine) => expect.poll(() => activities.openQuestions.length, patient).toBe(1);

const isWanted = Boolean(process.env['MESH_TEST_DAPR'] || process.env['CI']);
const binaries = isWanted ? findDapr(process.env) : undefined;
if (isWanted && binaries === undefined) throw new Error(howToGetDapr);

describe.skipIf(!isWanted)(`on daprd${isWanted ? '' : ' (skipped: set MESH_TEST_DAPR=1 to run it)'}`, () => {
  let folder: string;
  let dapr: RunningDapr;
  let test: TestEngine | undefined;

  beforeAll(async () => {
    if (!binaries) return;
    folder = await mkdtemp(join(tmpdir(), 'engine-daprd-'));
    dapr = await startDapr({ binaries, folder, environment: process.env, maxBodySize: '4Mi' });
  }, 90_000);

  afterEach(async () => {
    await test?.[Symbol.asyncDispose]();
    test = undefined;
  });

  afterAll(async () => {
    await dapr?.close();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  const connect = async (options: Partial<ConstructorParameters<typeof TestEngine>[0]> = {}): Promise<TestEngine> =>
    (test = await TestEngine.connect({ address: dapr.address, ...options }));

  it('controls instances', async () => {
    const engine = await connect();
    const runId = await run(engine);
    await asked(engine);
    expect(await engine.engine.status(runId)).toBe('running');
    // A second start of it counts as done.
    await engine.engine.startInstance(runId, 'steps', 1, envelopeOf(runId, engine.activities));
    await expect(engine.engine.purge(runId)).rejects.toMatchObject({ code: 'INTERNAL' });
    await engine.engine.terminate(runId);
    expect(await engine.engine.status(runId)).toBe('terminated');
    await engine.engine.purge(runId);
    const event = { n: 1, token: 't', payload: {} };
    expect(await engine.engine.status(runId)).toBe('missing');
    expect(await engine.engine.raise(runId, 'x', event)).toBe('no-instance');
    await engine.engine.purge(runId);
    await engine.engine.terminate(runId);
  });

  it('executes more slow activities than the SDK alone would take', async () => {
    const wide = workflow((mesh) => mesh.all(Array.from({ length: 150 }, (_, n) => mesh.activity('slow', { n }))));
    const gate = Promise.withResolvers<object>();
    const engine = await connect({ workflows: [wide], script: { local: () => gate.promise } });
    await run(engine);
    const started = () => engine.activities.log.filter((line) => line === 'local slow').length;
    await expect.poll(started, patient).toBe(150);
    gate.resolve({});
    await expect.poll(() => engine.activities.end, patient).toMatchObject({ status: 'completed' });
  }, 60_000);

  it.each(['kill', 'stop'] as const)(
    'finds it again after a %s, with every run where it was, on the same objects',
    async (how) => {
      const engine = await connect();
      const runId = await run(engine);
      await asked(engine);
      const reconnected = vi.fn<() => void>();
      engine.engine.onReconnect(reconnected);
      await dapr.daprd[how]();
      await expect.poll(() => engine.engine.ready(), patient).toBe(false);
      const from = performance.now();
      await expect(engine.run()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
      // Without the breaker that takes 5 s and more.
      expect(performance.now() - from).toBeLessThan(2_000);
      await dapr.daprd.start();
      await expect.poll(() => engine.engine.ready(), patient).toBe(true);
      await expect.poll(() => reconnected.mock.calls.length, patient).toBeGreaterThan(0);
      engine.answerFirstQuestion();
      await expect.poll(() => engine.activities.end, patient).toMatchObject({ status: 'completed' });
      await expect.poll(() => engine.engine.status(runId), patient).toBe('completed');
      await run(engine);
      await asked(engine);
    },
    90_000,
  );

  it('says what it does not do without a worker, and an event is taken once there is one', async () => {
    const waiting = workflow((mesh) => mesh.waitFor('go'));
    const first = await connect({ workflows: [waiting] });
    const runId = await run(first);
    await expect.poll(() => first.activities.log, patient).toContain('wait go');
    await first.engine.close();
    const client = new InstanceClient({
      address: parseAddress(dapr.address),
      apiToken: undefined,
      interceptors: [],
      timing: { ...defaultTiming, requestMs: 8_000 },
    });
    const cancel = { n: 1, token: first.activities.token, payload: {} };
    // While it is noticing that there is no worker any more, it may say something else.
    const meaning = () =>
      client.raise(runId, 'cancel', cancel).catch((error: unknown) => isMeshError(error) && error.code);
    await expect.poll(meaning, { ...patient, timeout: 40_000 }).toBe('UNAVAILABLE');
    // A start that timed out may still happen.
    const maybeId = newTaskId();
    await expect(client.start(maybeId, 'steps@1', envelopeOf(maybeId, first.activities))).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    client.close();
    const second = await connect({ workflows: [waiting] });
    await vi.waitFor(
      () => second.engine.startInstance(maybeId, 'steps', 1, envelopeOf(maybeId, second.activities)),
      patient,
    );
    await expect.poll(() => second.activities.log, patient).toContain('wait go');
    await second.raise(runId, 'cancel', cancel);
    await expect.poll(() => second.activities.end, patient).toMatchObject({ status: 'canceled' });
  }, 90_000);

  it('a second suspend does not stop the process', async () => {
    const engine = await connect();
    const runId = await run(engine);
    await asked(engine);
    const [host = '', port = ''] = dapr.address.split(':');
    const client = new DaprWorkflowClient({ daprHost: host, daprPort: port });
    await client.suspendWorkflow(runId);
    await client.suspendWorkflow(runId);
    expect(await engine.engine.status(runId)).toBe('suspended');
    await engine.raise(runId, 'other', { n: 99, token: 't', payload: {} });
    engine.answerFirstQuestion();
    await client.resumeWorkflow(runId);
    await expect.poll(() => engine.activities.end, patient).toMatchObject({ status: 'completed' });
    await client.stop();
  });

  it('an event that is not JSON, from its HTTP API, does not fail a run', async () => {
    const waiting = workflow((mesh) => mesh.waitFor('approval'));
    const engine = await connect({ workflows: [waiting] });
    const runId = await run(engine);
    await expect.poll(() => engine.activities.log, patient).toContain('wait approval');
    const raised = await fetch(`${dapr.httpUrl}/v1.0/workflows/dapr/${runId}/raiseEvent/Approval`, {
      method: 'POST',
      body: 'plain text',
    });
    expect(raised.status).toBe(202);
    await expect
      .poll(() => engine.activities.end, patient)
      .toMatchObject({ output: { result: { status: 'received', payload: 'plain text' } } });
  });

  it('a turn that is larger than it takes fails the instance', async () => {
    const big = workflow((mesh) => mesh.activity('take', { big: 'x'.repeat(5 * 1024 * 1024) }));
    const engine = await connect({ workflows: [big] });
    const runId = await run(engine);
    await expect.poll(() => engine.engine.status(runId), patient).toBe('failed');
  });

  it('a result that is larger than it takes fails the activity', async () => {
    const big = workflow((mesh) => mesh.activity('make', {}));
    const engine = await connect({ workflows: [big], script: { local: () => 'x'.repeat(5 * 1024 * 1024) } });
    await run(engine);
    await expect
      .poll(() => engine.activities.end, patient)
      .toMatchObject({ status: 'failed', failure: { code: 'PAYLOAD_TOO_LARGE' } });
  });
});
