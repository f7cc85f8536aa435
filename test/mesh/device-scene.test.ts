import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, type Run, startRun } from './api.ts';
import { isDaprWanted, startOnDapr } from './dapr.ts';
import { appliedCommands, expectOnce, mostAtOnce, setLights } from './device-effects.ts';
import { setFault } from './device-faults.ts';
import { eventually, Mesh } from './mesh.ts';

/** Scenes on real processes: what happened is read from the stores of the device agents. */

const lights = (count: number, on: boolean, required = true) =>
  Array.from({ length: count }, (_, index) => ({
    kind: 'light',
    deviceId: `light-${index + 1}`,
    set: { on },
    required,
  }));

const thermostat = { kind: 'thermostat', deviceId: 'thermostat-1', set: { mode: 'heat', targetCelsius: 22 } };
const lock = { kind: 'lock', deviceId: 'lock-1', set: { locked: false } };

async function play(mesh: { coordinator: string }, input: object, withinMs = 60_000): Promise<Run> {
  const base = () => mesh.coordinator;
  const { runId } = await startRun(base, 'device-scene', input, randomUUID());
  return ended(base, runId, withinMs);
}

describe('a scene', () => {
  let mesh: Mesh;
  beforeAll(async () => {
    mesh = await Mesh.start({
      peers: ['device-light', 'device-thermostat', 'device-lock'],
      env: { all: { MESH_DURABILITY: 'normal' }, 'device-light': { DEVICE_COUNT: '1000', DEVICE_COMMAND_MS: '10' } },
    });
  }, 60_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  it('sets three devices of three kinds', async () => {
    const run = await play(mesh, { devices: [...lights(1, true), thermostat, lock] });
    expect(run).toMatchObject({
      status: 'completed',
      progress: { percent: 100 },
      output: {
        status: 'all-set',
        statement: 'all 3 devices set: 1 light on, 1 thermostat heating, 1 lock unlocked',
      },
    });
    expect(appliedCommands(mesh, 'device-thermostat')).toMatchObject([
      { device_id: 'thermostat-1', command: '{"mode":"heat","targetCelsius":22}' },
    ]);
  }, 60_000);

  it.each([
    { count: 50, limit: undefined, most: 5, on: false },
    // A thousand in CI: that many take half a minute.
    { count: process.env['CI'] ? 1_000 : 200, limit: 20, most: 20, on: true },
  ])(
    'sets $count lights, each once, at most $most at a time',
    async ({ count, limit, most, on }) => {
      const before = setLights(mesh).length;
      const run = await play(mesh, { devices: lights(count, on), limit }, 120_000);
      expect(run).toMatchObject({
        status: 'completed',
        output: { status: 'all-set', statement: `all ${count} lights ${on ? 'on' : 'off'}` },
      });
      const commands = setLights(mesh).slice(before);
      expectOnce(commands, count, most);
      expect(mostAtOnce(commands)).toBeGreaterThan(1);
    },
    150_000,
  );

  it('goes on without two that are broken, and sets everything back where a required one is', async () => {
    await setFault(mesh, 'light', 'light-2', 'stuck');
    await setFault(mesh, 'light', 'light-4', 'low-battery');
    const partial = await play(mesh, { devices: lights(50, false, false) });
    expect(partial).toMatchObject({ status: 'completed', output: { status: 'partial' } });
    expect(partial.output?.['statement']).toBe(
      '48 of 50 devices set (48 lights off); ' +
        '2 devices failed (light-2: its mechanism is jammed; light-4: its battery can only report)',
    );

    await setFault(mesh, 'lock', 'lock-1', 'stuck');
    const before = setLights(mesh).length;
    const undone = await play(mesh, { devices: [...lights(1, true), ...lights(1_000, true).slice(4, 30), lock] });
    expect(undone).toMatchObject({
      status: 'failed',
      error: {
        code: 'PEER_FAILED',
        message: '1 device failed (lock-1: its mechanism is jammed); 27 devices set back',
      },
    });
    const commands = setLights(mesh).slice(before);
    expect(commands.slice(0, 27).every(({ command }) => command === '{"on":true}')).toBe(true);
    expect(commands.slice(27).every(({ command }) => command === '{"on":false}')).toBe(true);
    expectOnce(commands.slice(27), 27, 5);
  }, 120_000);
});

it('switches nothing twice when the coordinator and the agent are killed while it sets, and while it sets back', async () => {
  await using mesh = await Mesh.start({
    peers: ['device-light'],
    env: {
      coordinator: { MESH_KILL_AT: 'item-settled:40' },
      'device-light': { DEVICE_COUNT: '80', DEVICE_COMMAND_MS: '10', MESH_KILL_AT: 'command-applied:20' },
    },
  });
  const run = await play(mesh, { devices: lights(80, true) }, 90_000);
  expect([mesh.kills('coordinator'), mesh.kills('device-light')], 'the kill points were hit').toEqual([1, 1]);
  expect(run).toMatchObject({ status: 'completed', output: { statement: 'all 80 lights on' } });
  expectOnce(setLights(mesh), 80, 5);

  await setFault(mesh, 'light', 'light-80', 'stuck');
  const undoing = play(mesh, { devices: lights(80, false) }, 90_000);
  const begun = await eventually(
    async () => setLights(mesh).length - 80,
    (count) => count >= 90,
    { what: 'lights that are set back' },
  );
  await Promise.all([mesh.kill('coordinator'), mesh.kill('device-light')]);
  expect(begun).toBeLessThan(158);
  expect(await undoing).toMatchObject({
    status: 'failed',
    error: { code: 'PEER_FAILED', message: '1 device failed (light-80: its mechanism is jammed); 79 devices set back' },
  });
  const commands = setLights(mesh).slice(80);
  expectOnce(commands.slice(0, 79), 79, 5);
  expectOnce(commands.slice(79), 79, 5);
  expect(commands.slice(79).every(({ command }) => command === '{"on":true}')).toBe(true);
}, 180_000);

describe.runIf(isDaprWanted())('a scene on real Dapr', () => {
  it('sets 3 and 50 lights, each once, at most 5 at a time', async () => {
    await using mesh = await startOnDapr(['device-light'], { DEVICE_COUNT: '50', DEVICE_COMMAND_MS: '10' });
    for (const count of [3, 50]) {
      const before = setLights(mesh).length;
      expect(await play(mesh, { devices: lights(count, true) }, 120_000)).toMatchObject({
        status: 'completed',
        output: { statement: `all ${count} lights on` },
      });
      expectOnce(setLights(mesh).slice(before), count, 5);
    }
  }, 300_000);
});
