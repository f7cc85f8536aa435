import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventSchema } from '@daca-mesh/protocol/events';
import {
  all,
  type Database,
  openSqliteDatabase,
  statement,
  taskSchema,
  writesSchema,
} from '@daca-mesh/protocol/server';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startActivity, touchDevice } from './activity.ts';
import type { DeviceAgent } from './device-agent.ts';
import { deviceSchema, query } from './device-tables.ts';
import type { Kind } from './kinds/kind.ts';
import { light } from './kinds/light.ts';
import { lock } from './kinds/lock.ts';
import { thermostat } from './kinds/thermostat.ts';
import { seedDevices } from './seed-devices.ts';
import { faultDevice } from './skills/fault-device.ts';
import { getDevice } from './skills/get-device.ts';
import { listDevices } from './skills/list-devices.ts';
import { serviceDevice } from './skills/service-device.ts';
import { setDevice } from './skills/set-device.ts';

let folder: string;
let database: Database;

const open = (): Database =>
  openSqliteDatabase({
    path: join(folder, 'store.db'),
    schemas: [taskSchema, writesSchema, eventSchema, deviceSchema],
  });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'device-'));
  database = open();
});

afterEach(async () => {
  vi.useRealTimers();
  await database.close();
  await rm(folder, { recursive: true });
});

async function agentOf<State extends object, Settings>(
  kind: Kind<State, Settings>,
  count = 6,
): Promise<DeviceAgent<State, Settings>> {
  await database.write(() => seedDevices(kind, count, Date.now()));
  return { kind, database, commandMs: 0 };
}

let keys = 0;
const task = (key = `key-${keys++}`, signal = new AbortController().signal) => ({
  idempotencyKey: (purpose: string) => `${key}/${purpose}`,
  signal,
});

const commands = () => database.read(() => all(query.selectFrom('device_commands').selectAll().compile()));

interface StoredEvent {
  type: string;
  source: string;
  subject: string;
  data: unknown;
}
const events = async (): Promise<StoredEvent[]> => {
  const select = statement<object, { event: string }>(
    () =>
      // A table of another component.
      query
        .selectFrom('event_outbox' as never)
        .select('event' as never)
        .orderBy('seq' as never) as never,
  );
  return (await database.read(() => all(select({})))).map(({ event }): StoredEvent => JSON.parse(event));
};

const changesOf = async (seed: number, times: number): Promise<unknown[]> => {
  for (let time = 0; time < times; time++) await database.write(() => touchDevice(lock, seed, Date.now()));
  return (await events()).map(({ type, subject, data }) => ({ type, subject, data }));
};

describe('a device', () => {
  it('does what it is told and tells what it was, so that it can be set back', async () => {
    const lights = await agentOf(light);
    const { device, previous } = await setDevice(lights, { deviceId: 'light-2', on: true }, task());
    expect(device).toMatchObject({ name: 'Living room light', state: { on: true, brightness: 100 }, health: 'ok' });
    expect(previous).toEqual({ on: false, brightness: 100 });
    await setDevice(lights, { deviceId: 'light-2', ...previous }, task());
    expect((await getDevice(lights, { deviceId: 'light-2' })).device.state).toEqual(previous);
  });

  it('does a command once per key, also 20 at once, and answers the same', async () => {
    const locks = await agentOf(lock);
    const command = () => setDevice(locks, { deviceId: 'lock-1', locked: false }, task('k'));
    const answers = await Promise.all(Array.from({ length: 20 }, command));
    expect(new Set(answers.map(({ previous }) => previous.locked))).toEqual(new Set([true]));
    expect(await commands()).toMatchObject([
      { skill: 'set-lock', command: '{"locked":false}', effect_key: 'k/set-lock' },
    ]);
    await faultDevice(locks, { deviceId: 'lock-1', fault: { type: 'offline' } }, task());
    expect((await command()).previous).toEqual({ locked: true });
  });

  it('keeps its state and goes on while the agent is down', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const thermostats = await agentOf(thermostat);
    await setDevice(thermostats, { deviceId: 'thermostat-1', mode: 'heat', targetCelsius: 22 }, task());
    await database.close();
    vi.setSystemTime(Date.now() + 4 * 60_000);
    database = open();
    const again = await agentOf(thermostat);
    expect((await getDevice(again, { deviceId: 'thermostat-1' })).device.state).toEqual({
      mode: 'heat',
      targetCelsius: 22,
      currentCelsius: 18,
    });
  });

  it('is refused where it does not exist, or where the settings do not go together', async () => {
    const thermostats = await agentOf(thermostat);
    const deviceId = 'thermostat-1';
    const missing = [
      setDevice(thermostats, { deviceId: 'light-1', mode: 'off' }, task()),
      getDevice(thermostats, { deviceId: "'; DROP TABLE devices; --" }),
      serviceDevice(thermostats, { deviceId: 'thermostat-7', action: 'restart' }, task()),
      faultDevice(thermostats, { deviceId: 'none', fault: null }, task()),
    ];
    for (const each of missing) await expect(each).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const command = setDevice(thermostats, { deviceId, targetCelsius: 25 }, task('k'));
    await expect(command).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', retryable: false });
    expect(await commands()).toEqual([]);
    // The key stays free.
    const { previous } = await setDevice(thermostats, { deviceId, mode: 'heat', targetCelsius: 25 }, task('k'));
    expect(previous).toMatchObject({ mode: 'off' });
  });
});

describe('a device with a fault', () => {
  const cases = [
    { type: 'offline', code: 'DEVICE_OFFLINE', retryable: true, health: 'failed', action: 'restart' },
    { type: 'stuck', code: 'DEVICE_STUCK', retryable: false, health: 'failed', action: 'recalibrate' },
    {
      type: 'low-battery',
      code: 'DEVICE_LOW_BATTERY',
      retryable: false,
      health: 'degraded',
      action: 'replace-battery',
    },
  ] as const;

  it.each(cases)('$type refuses commands until it is serviced, and says so', async ({ type, action, ...expected }) => {
    const { health, ...error } = expected;
    const locks = await agentOf(lock);
    const deviceId = 'lock-1';
    const command = () => setDevice(locks, { deviceId, locked: false }, task('k'));
    expect((await faultDevice(locks, { deviceId, fault: { type } }, task())).device).toMatchObject({
      health,
      faults: [{ type, since: expect.any(String), detail: expect.any(String) }],
    });
    await expect(command()).rejects.toMatchObject({ ...error, details: { deviceId, fault: type } });
    const wrong = action === 'restart' ? 'recalibrate' : 'restart';
    expect(await serviceDevice(locks, { deviceId, action: wrong }, task())).toMatchObject({ resolved: [] });
    await expect(command()).rejects.toMatchObject(error);
    expect(await serviceDevice(locks, { deviceId, action }, task())).toMatchObject({
      resolved: [type],
      note: `${action} resolved ${type}`,
      device: { health: 'ok', faults: [] },
    });
    expect((await command()).previous).toEqual({ locked: true });
    expect((await commands()).map(({ skill }) => skill)).toEqual([
      'fault-lock',
      'service-lock',
      'service-lock',
      'set-lock',
    ]);
  });

  it('recovers by itself after as many refused commands as it was given', async () => {
    const lights = await agentOf(light);
    const deviceId = 'light-1';
    await faultDevice(lights, { deviceId, fault: { type: 'offline', commands: 2 } }, task());
    const command = () => setDevice(lights, { deviceId, on: true }, task('k'));
    await expect(command()).rejects.toMatchObject({ code: 'DEVICE_OFFLINE' });
    await expect(command()).rejects.toMatchObject({ code: 'DEVICE_OFFLINE' });
    expect((await command()).device).toMatchObject({ health: 'ok', faults: [], state: { on: true } });
  });

  it('shows what was last seen of it while it is offline', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const thermostats = await agentOf(thermostat);
    const deviceId = 'thermostat-1';
    await setDevice(thermostats, { deviceId, mode: 'heat' }, task());
    await faultDevice(thermostats, { deviceId, fault: { type: 'offline' } }, task());
    const since = new Date().toISOString();
    vi.setSystemTime(Date.now() + 4 * 60_000);
    const { device } = await getDevice(thermostats, { deviceId });
    expect(device).toMatchObject({ lastSeen: since, state: { currentCelsius: 16 } });
  });

  it('slow takes its time, and a command given up meanwhile does nothing', async () => {
    const lights = await agentOf(light);
    const deviceId = 'light-1';
    await faultDevice(lights, { deviceId, fault: { type: 'slow', delayMs: 60_000 } }, task());
    const controller = new AbortController();
    const command = setDevice(lights, { deviceId, on: true }, task('k', controller.signal));
    controller.abort();
    await expect(command).rejects.toThrow('aborted');
    await faultDevice(lights, { deviceId, fault: { type: 'slow', delayMs: 30 } }, task());
    await setDevice(lights, { deviceId, on: true }, task('k'));
    const applied = (await commands()).filter(({ skill }) => skill === 'set-light');
    expect(applied).toHaveLength(1);
    expect((applied[0]?.ended_at ?? 0) - (applied[0]?.started_at ?? 0)).toBeGreaterThanOrEqual(29);
  });

  it('tells the mesh about each fault that appears, once, in the same commit', async () => {
    const lights = await agentOf(light);
    const deviceId = 'light-1';
    for (const type of ['drift', 'drift', 'stuck'] as const) {
      await faultDevice(lights, { deviceId, fault: { type } }, task());
    }
    await faultDevice(lights, { deviceId, fault: { type: 'offline' } }, task('k'));
    await faultDevice(lights, { deviceId, fault: { type: 'offline' } }, task('k'));
    await faultDevice(lights, { deviceId, fault: null }, task());
    await faultDevice(lights, { deviceId, fault: { type: 'stuck' }, announce: false }, task());
    const unhealthy = { type: 'DeviceUnhealthy', source: 'urn:daca-mesh:agent:device-light', subject: deviceId };
    const data = { kind: 'light', deviceId, agent: 'device-light', state: { on: false, brightness: 100 } };
    expect(await events()).toMatchObject([
      { ...unhealthy, data: { ...data, fault: 'drift', health: 'degraded' } },
      { ...unhealthy, data: { ...data, fault: 'stuck', health: 'failed' } },
      { ...unhealthy, data: { ...data, fault: 'offline', health: 'failed' } },
    ]);
  });
});

describe('a list of devices', () => {
  it('has every device once, page by page, whatever its length', async () => {
    const lights = await agentOf(light, 1_000);
    await faultDevice(lights, { deviceId: 'light-500', fault: { type: 'stuck' } }, task());
    const found = new Map<string, string>();
    let cursor: string | undefined;
    do {
      const { devices, nextCursor } = await listDevices(lights, { limit: 300, ...(cursor && { cursor }) });
      for (const { deviceId, health } of devices) found.set(deviceId, health);
      cursor = nextCursor;
    } while (cursor !== undefined);
    expect(found.size).toBe(1_000);
    expect([...found].filter(([, health]) => health !== 'ok')).toEqual([['light-500', 'failed']]);
  });

  it('is filtered by room and by health', async () => {
    const lights = await agentOf(light, 12);
    await faultDevice(lights, { deviceId: 'light-7', fault: { type: 'drift' } }, task());
    const ids = async (filter: object) =>
      (await listDevices(lights, { limit: 10, ...filter })).devices.map(({ deviceId }) => deviceId);
    expect(await ids({ room: 'kitchen' })).toEqual(['light-1', 'light-7']);
    expect(await ids({ room: 'kitchen', health: 'degraded' })).toEqual(['light-7']);
    expect(await ids({ room: 'cellar' })).toEqual([]);
  });
});

describe('activity', () => {
  it('changes devices that nobody commanded, the same ones for the same seed, and tells the mesh', async () => {
    await agentOf(lock);
    const first = await changesOf(7, 8);
    expect(first).toHaveLength(8);
    expect(first[0]).toMatchObject({
      type: 'DeviceTriggered',
      data: { kind: 'lock', health: 'ok', agent: 'device-lock' },
    });
    expect(new Set(first.map((event) => JSON.stringify(event))).size).toBeGreaterThan(2);
    await database.close();
    await rm(join(folder, 'store.db'));
    database = open();
    await agentOf(lock);
    expect(await changesOf(7, 3)).toEqual(first.slice(0, 3));
    // A restart goes on where it was.
    await database.close();
    database = open();
    expect(await changesOf(7, 5)).toEqual(first);
    expect(await commands()).toEqual([]);
  });

  it('spares devices that have failed, and needs none', async () => {
    const locks = await agentOf(lock, 1);
    await faultDevice(locks, { deviceId: 'lock-1', fault: { type: 'offline' } }, task());
    await database.write(() => touchDevice(lock, 1, Date.now()));
    expect((await getDevice(locks, { deviceId: 'lock-1' })).device.state).toEqual({ locked: true });
  });

  it('goes on by itself until it is stopped', async () => {
    await agentOf(lock);
    const activity = startActivity({
      kind: lock,
      database,
      logger: pino({ level: 'silent' }),
      intervalMs: 5,
      seed: 1,
    });
    await vi.waitFor(async () => expect((await events()).length).toBeGreaterThan(2), { timeout: 20_000 });
    activity[Symbol.dispose]();
  });
});
