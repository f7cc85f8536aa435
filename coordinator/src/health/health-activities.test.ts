import { MeshError } from '@daca-mesh/protocol';
import { listen } from '@daca-mesh/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { callOf, TestMesh } from '../runs/testing/test-mesh.ts';
import type { Script } from '../runs/testing/scripted-engine.ts';
import { CheckResult } from '../workflows/health/reading.ts';
import type { ModelEndpoint } from './check-model.ts';
import { healthAlert } from '../workflows/health-alert.ts';
import { createHealthActivities } from './health-activities.ts';

const waiting: Script = ({ event }) => event('never').then(() => undefined);
const over: Script = ({ activities, scope }) =>
  activities.finish({ ...scope(), end: { status: 'completed', output: null } }).then(() => undefined);
const caller: Script = async ({ activities, runId, call, scope }) => {
  const fails = Array.from({ length: 6 }, (_, n) => call({ ...callOf(runId, `fail-${n}`), input: { text: 'fail' } }));
  const works = Array.from({ length: 2 }, (_, n) => call(callOf(runId, `work-${n}`)));
  await Promise.all([...fails, ...works]);
  await activities.finish({ ...scope(), end: { status: 'completed', output: null } });
};
const work = async ({ input }: { input: { text?: string | undefined } }) => {
  if (input.text === 'fail') throw new MeshError('INTERNAL', 'no');
  return {};
};

let mesh: TestMesh;
beforeEach(async () => {
  mesh = await TestMesh.create({ 'health-monitor': waiting, 'health-alert': waiting, calls: caller, over });
});
afterEach(() => mesh[Symbol.asyncDispose]());

function activity(name: string, model?: ModelEndpoint) {
  const { database, directory, runs } = mesh.coordinator;
  const found = createHealthActivities({ database, directory, runs, model })[name];
  if (!found) throw new Error(`no activity ${name}`);
  return (input: unknown, runId = 'run', key = '0/1') => found(input, { runId, key });
}

const check = async (model?: ModelEndpoint): Promise<CheckResult> =>
  CheckResult.parse(await activity('check-health', model)({ at: Date.now(), windowMs: 60_000 }));
const received = async (runId: string) =>
  (await mesh.timeline(runId)).filter(({ type }) => type === 'event-received').map(({ data }) => data);

describe('a check', () => {
  it('tells of each agent whether it is there, how fast, and how calls to it went', async () => {
    const busy = await mesh.agent({ work }, { name: 'busy' });
    const idle = await mesh.agent({ rest: async () => ({}) }, { name: 'idle' });
    await mesh.start();
    const runId = await mesh.run('calls');
    await vi.waitFor(async () => expect((await mesh.coordinator.runs.get(runId)).status).toBe('completed'), 10_000);
    const seen = await check();
    expect(seen.unread).toEqual([]);
    expect(seen.readings).toMatchObject([
      { target: 'agent:busy', kind: 'agent', latencyMs: expect.any(Number), errorRate: 0.75 },
      { target: 'agent:idle', kind: 'agent', latencyMs: expect.any(Number) },
    ]);
    // Nothing is said about a rate where there were too few calls.
    expect(seen.readings[1]).not.toHaveProperty('errorRate');
    await idle.close();
    expect((await check()).readings[1]?.problem).toContain(new URL(idle.url).host);
    await busy.close();
  });

  it('tells of the devices that are not well, and of agents that did not tell', async () => {
    const state = { on: true, brightness: 1 };
    const lastSeen = new Date(0).toISOString();
    const faults = [{ type: 'offline', since: lastSeen }];
    const hall = { deviceId: 'hall', name: 'Hall', state, health: 'failed', faults, lastSeen };
    let broken = false;
    let nextCursor: string | undefined;
    const { url } = await mesh.agent(
      {
        'list-lights': async ({ input }) => {
          if (broken) throw new MeshError('INTERNAL', 'no');
          const isFailed = Reflect.get(input, 'health') === 'failed';
          return { devices: isFailed ? [hall] : [], ...(isFailed && nextCursor ? { nextCursor } : {}) };
        },
      },
      { name: 'lights' },
    );
    await mesh.start();
    expect((await check()).readings[1]).toEqual({
      target: 'device:lights/hall',
      kind: 'device',
      problem: 'failed: offline',
      device: { kind: 'light', deviceId: 'hall', agent: 'lights', health: 'failed' },
      origin: new URL(url).origin,
    });
    // Of those that are not in a list that goes on, nothing is known either.
    nextCursor = 'hall';
    expect(await check()).toMatchObject({
      readings: [{ target: 'agent:lights' }, { target: 'device:lights/hall' }],
      unread: ['lights'],
    });
    broken = true;
    expect(await check()).toMatchObject({ readings: [{ target: 'agent:lights' }], unread: ['lights'] });
  });

  it('of an agent that was never reached tells where it is, and that its devices are not known', async () => {
    const away = await mesh.agent({ work }, { name: 'away' });
    await away.close();
    await mesh.start();
    const { origin } = new URL(away.url);
    expect(await check()).toEqual({
      readings: [{ target: `agent:${origin}`, kind: 'agent', origin, problem: 'its card could not be fetched yet' }],
      unread: [origin],
    });
  });

  it('for a monitor tells nothing of what is well', async () => {
    await mesh.agent({ work }, { name: 'well' });
    const away = await mesh.agent({ work }, { name: 'away' });
    await mesh.start();
    await away.close();
    const told = async (limits: object) => {
      const monitor = await mesh.run('health-monitor', { latencyMs: 60_000, errorRate: 0.5, ...limits });
      const { readings } = CheckResult.parse(
        await activity('check-health')({ at: Date.now(), windowMs: 60_000 }, monitor),
      );
      return readings.map(({ target }) => target);
    };
    expect(await told({})).toEqual(['agent:away']);
    // So fast is nobody.
    expect(await told({ latencyMs: -1 })).toEqual(['agent:well', 'agent:away']);
  });

  it('tells agents of one name apart, and takes no more of a name or a message than an alert does', async () => {
    const version = { protocolBinding: 'JSONRPC', protocolVersion: '1.0' };
    const agent = (card: { name: string }) =>
      listen((request, response) =>
        response.end(
          JSON.stringify({ ...card, supportedInterfaces: [{ ...version, url: `http://${request.headers.host}` }] }),
        ),
      );
    await using first = await agent({ name: 'writer' });
    await using second = await agent({ name: 'writer' });
    await using third = await agent({ name: 'x'.repeat(5_000) });
    for (const { url } of [first, second, third]) mesh.expectPeer(url);
    await mesh.start();
    // What the agent speaks goes into the message.
    version.protocolVersion = '9'.repeat(5_000);
    const { readings } = await check();
    const [one, other, long] = readings;
    expect([one?.target, other?.target]).toEqual(['agent:writer', `agent:writer at ${second.url}`]);
    const targets = [long, other].map((reading) => ({ target: reading?.target, problem: reading?.problem }));
    expect(other?.problem).toMatch(/^writer speaks JSONRPC 9999/u);
    expect(healthAlert.input.safeParse({ monitorId: 'default', kind: 'agent', targets }).error).toBeUndefined();
  });

  it.each([
    ['lists models', 200, undefined],
    ['has no such list', 404, undefined],
    ['refuses the key', 401, 'its endpoint answers with status 401'],
    ['fails', 503, 'its endpoint answers with status 503'],
  ])('of a model endpoint that %s', async (_what, status, problem) => {
    await mesh.start();
    let asked: string | undefined;
    await using endpoint = await listen((request, response) => {
      asked = `${request.url ?? ''} ${request.headers.authorization ?? ''}`;
      response.writeHead(status).end('{}');
    });
    const { readings } = await check({ url: `${endpoint.url}/v1/`, apiKey: 'key' });
    expect(asked).toBe('/v1/models Bearer key');
    expect(readings).toMatchObject([{ target: 'model', kind: 'model' }]);
    expect(readings[0]?.problem).toBe(problem);
  });

  it('of a model endpoint that is away; offline there is none', async () => {
    await mesh.start();
    expect((await check({ url: 'http://127.0.0.1:1' })).readings[0]?.problem).toContain('127.0.0.1:1');
    expect((await check()).readings).toEqual([]);
  });
});

describe('the run of an alert', () => {
  const alert = { monitorId: 'default', kind: 'agent', targets: [] };
  it('is one, however often its step is executed, and is told once that it is over', async () => {
    await mesh.start();
    const raise = activity('raise-alert');
    const first = await raise(alert);
    expect(await raise(alert)).toEqual(first);
    expect(await raise(alert, 'run', '0/2')).not.toEqual(first);
    // Started over, the same step may see something else.
    expect(await raise({ ...alert, kind: 'model' })).not.toEqual(first);
    const { runId } = first as { runId: string };
    const close = activity('close-alert');
    await close({ runId, reason: 'well again' });
    await close({ runId, reason: 'well again' });
    expect(await received(runId)).toMatchObject([
      { event: 'alert_resolved', payload: { choice: 'resolved', reason: 'well again' }, by: 'workflow' },
    ]);
    const over = await mesh.run('over');
    await vi.waitFor(async () => expect((await mesh.coordinator.runs.get(over)).status).toBe('completed'), 10_000);
    for (const gone of [over, 'nobody']) await close({ runId: gone, reason: 'well again' });
    expect(await received(over)).toEqual([]);
  });

  it('is closed at once where its monitor has been canceled: the step may be executed again after all alerts were', async () => {
    await mesh.start();
    const monitor = await mesh.run('health-monitor', { monitorId: 'default' });
    const first = (await activity('raise-alert')(alert, monitor)) as { runId: string };
    expect(await received(first.runId)).toEqual([]);
    await mesh.coordinator.runs.cancel(monitor);
    const { runId } = (await activity('raise-alert')(alert, monitor, '0/2')) as { runId: string };
    expect(await received(runId)).toHaveLength(1);
  });

  it('of an earlier monitor of the same name is closed when another one begins', async () => {
    await mesh.start();
    const { runId } = (await activity('raise-alert')(alert)) as { runId: string };
    const other = (await activity('raise-alert')({ ...alert, monitorId: 'other' })) as { runId: string };
    await activity('begin-monitor')({ monitorId: 'default' });
    expect(await received(runId)).toHaveLength(1);
    expect(await received(other.runId)).toEqual([]);
  });
});

it('the oldest monitor of a name stays the only one', async () => {
  await mesh.start();
  const first = await mesh.run('health-monitor', { monitorId: 'default' });
  const second = await mesh.run('health-monitor', { monitorId: 'default' });
  const third = await mesh.run('health-monitor', { monitorId: 'third' });
  const begin = activity('begin-monitor');
  await begin({ monitorId: 'default' }, first);
  await begin({ monitorId: 'third' }, third);
  await expect(begin({ monitorId: 'default' }, second)).rejects.toMatchObject({
    code: 'ALREADY_RUNNING',
    details: { runId: first },
  });
});
