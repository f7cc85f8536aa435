import { MeshError, type MeshErrorCode } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import { silence, testWorkflow } from '../workflow-kit/testing/index.ts';
import { deviceScene } from './device-scene.ts';

const device = <State>(deviceId: string, state: State) => ({
  device: { deviceId, name: deviceId, state, health: 'ok' as const, faults: [], lastSeen: '2026-01-01T00:00:00Z' },
});

/** Lights and locks in memory: they keep what they were told. */
function createHouse(broken: Record<string, { code: MeshErrorCode; reason: string; times?: number }> = {}) {
  const on = new Map<string, boolean>();
  const locked = new Map<string, boolean>();
  const commands: string[] = [];
  const refuse = (deviceId: string): void => {
    const fault = broken[deviceId];
    if (!fault) return;
    if (fault.times !== undefined && fault.times-- === 0) return void delete broken[deviceId];
    throw new MeshError(fault.code, fault.reason, { retryable: fault.code === 'DEVICE_OFFLINE' });
  };
  const agents = {
    'set-light': ({ deviceId, on: wanted = false }: { deviceId: string; on?: boolean | undefined }) => {
      refuse(deviceId);
      commands.push(`${deviceId} ${wanted ? 'on' : 'off'}`);
      const previous = { on: on.get(deviceId) ?? false, brightness: 70 };
      on.set(deviceId, wanted);
      return { ...device(deviceId, { on: wanted, brightness: 70 }), previous };
    },
    'set-lock': ({ deviceId, locked: wanted = false }: { deviceId: string; locked?: boolean | undefined }) => {
      refuse(deviceId);
      commands.push(`${deviceId} ${wanted ? 'locked' : 'unlocked'}`);
      const previous = { locked: locked.get(deviceId) ?? false };
      locked.set(deviceId, wanted);
      return { ...device(deviceId, { locked: wanted }), previous };
    },
  };
  return { agents, commands, broken, on, locked };
}

const lights = (count: number, required = true) =>
  Array.from({ length: count }, (_, index) => ({
    kind: 'light' as const,
    deviceId: `light-${index + 1}`,
    set: { on: true },
    required,
  }));

const front = { kind: 'lock' as const, deviceId: 'lock-1', set: { locked: true } };
const stuck = { code: 'DEVICE_STUCK' as const, reason: 'its mechanism is jammed' };

describe('device-scene', () => {
  it('sets every device and says so', async () => {
    const { agents } = createHouse();
    const run = await testWorkflow(deviceScene, { input: { devices: lights(3) }, agents });
    expect(run.output).toEqual({
      status: 'all-set',
      statement: 'all 3 lights on',
      devices: ['light-1', 'light-2', 'light-3'].map((deviceId) => ({
        kind: 'light',
        deviceId,
        status: 'set',
        state: { on: true, brightness: 70 },
        back: { kind: 'light', deviceId, set: { on: false } },
      })),
    });
    expect(run.undone).toEqual([]);
  });

  it('tells how far it is, about every fourth device', async () => {
    const { agents } = createHouse();
    const run = await testWorkflow(deviceScene, { input: { name: 'Evening', devices: lights(50), limit: 7 }, agents });
    expect(run.progress).toHaveLength(13);
    expect(run.progress.slice(0, 3)).toEqual([
      'Evening: 50 devices, 7 at a time',
      '5 of 50 devices',
      '9 of 50 devices',
    ]);
    expect(run.progress.at(-1)).toBe('50 of 50 devices');
  });

  it('goes on without devices that are not required, and names them with the reason', async () => {
    const { agents, commands } = createHouse({ 'light-2': stuck, 'light-3': { code: 'NOT_FOUND', reason: 'gone' } });
    const run = await testWorkflow(deviceScene, { input: { devices: [...lights(3, false), front] }, agents });
    expect(run.output).toMatchObject({
      status: 'partial',
      statement:
        '2 of 4 devices set (1 light on, 1 lock locked); ' +
        '2 devices failed (light-2: its mechanism is jammed; light-3: gone)',
      devices: [
        { deviceId: 'light-1', status: 'set' },
        { deviceId: 'light-2', status: 'failed', code: 'DEVICE_STUCK', reason: 'its mechanism is jammed' },
        { deviceId: 'light-3', status: 'failed', code: 'NOT_FOUND', reason: 'gone' },
        { deviceId: 'lock-1', status: 'set', state: { locked: true } },
      ],
    });
    expect(commands).toEqual(['light-1 on', 'lock-1 locked']);
  });

  it('sets everything back where a required device fails, and says what became of each', async () => {
    const { agents, on } = createHouse({ 'lock-1': stuck });
    on.set('light-2', true);
    const run = await testWorkflow(deviceScene, { input: { devices: [...lights(3), front] }, agents });
    expect(run.failure).toMatchObject({
      code: 'PEER_FAILED',
      message: '1 device failed (lock-1: its mechanism is jammed); 3 devices set back',
      details: {
        devices: [
          { kind: 'lock', deviceId: 'lock-1', status: 'failed', code: 'DEVICE_STUCK' },
          { kind: 'light', deviceId: 'light-1', status: 'set-back' },
          { kind: 'light', deviceId: 'light-2', status: 'set-back' },
          { kind: 'light', deviceId: 'light-3', status: 'set-back' },
        ],
      },
    });
    // Back to what it was, which is not always off.
    expect([...on]).toEqual([
      ['light-2', true],
      ['light-1', false],
      ['light-3', false],
    ]);
    expect(run.calls.filter(({ to }) => to === 'set-light')).toHaveLength(6);
  });

  it('says which devices could not be set back', async () => {
    const house = createHouse({ 'lock-1': stuck });
    const setLight = house.agents['set-light'];
    const agents = {
      ...house.agents,
      'set-light': (input: Parameters<typeof setLight>[0]) => {
        if (input.deviceId === 'light-2' && input.on === false) throw new MeshError('DEVICE_STUCK', 'jammed meanwhile');
        return setLight(input);
      },
    };
    const run = await testWorkflow(deviceScene, { input: { devices: [...lights(2), front] }, agents });
    expect(run.failure).toMatchObject({
      code: 'COMPENSATION_FAILED',
      message: '1 device failed (lock-1: its mechanism is jammed); 1 device set back, 1 not',
    });
    expect(run.failure?.details?.['devices']).toContainEqual({
      kind: 'light',
      deviceId: 'light-2',
      status: 'not-set-back',
      code: 'DEVICE_STUCK',
      reason: 'jammed meanwhile',
    });
  });

  it('tries a device that is offline three times, and one that is stuck once', async () => {
    const offline = { code: 'DEVICE_OFFLINE' as const, reason: 'it cannot be reached' };
    const { agents } = createHouse({ 'light-1': { ...offline, times: 2 }, 'light-2': offline, 'light-3': stuck });
    const run = await testWorkflow(deviceScene, { input: { devices: lights(3, false) }, agents });
    const attempts = (deviceId: string) =>
      run.calls.filter(({ input }) => (input as { deviceId: string }).deviceId === deviceId).length;
    expect(['light-1', 'light-2', 'light-3'].map(attempts)).toEqual([3, 3, 1]);
    expect(run.output?.devices.map(({ status }) => status)).toEqual(['set', 'failed', 'failed']);
  });

  it('sets back what it has set when it is canceled', async () => {
    const house = createHouse();
    const devices = [
      ...lights(8),
      { kind: 'thermostat' as const, deviceId: 'thermostat-1', set: { mode: 'off' as const } },
    ];
    const agents = { ...house.agents, 'set-thermostat': (): typeof silence => silence };
    const run = await testWorkflow(deviceScene, { input: { devices, limit: 2 }, agents });
    expect(run.status).toBe('waiting');
    await run.cancel('changed my mind');
    expect(run.status).toBe('canceled');
    expect([...house.on.values()]).toEqual(Array.from({ length: 8 }, () => false));
  });

  it.each<[string, object]>([
    ['no devices', { devices: [] }],
    ['a device twice', { devices: [...lights(1), ...lights(1)] }],
    ['nothing to set', { devices: [{ kind: 'light', deviceId: 'light-1', set: {} }] }],
    ['settings of another kind', { devices: [{ kind: 'light', deviceId: 'light-1', set: { locked: true } }] }],
    ['a setting out of range', { devices: [{ kind: 'light', deviceId: 'light-1', set: { brightness: 101 } }] }],
    ['a kind that is none', { devices: [{ kind: 'oven', deviceId: 'oven-1', set: { on: true } }] }],
    ['no limit at all', { devices: lights(1), limit: 0 }],
    ['too many devices', { devices: lights(5_001) }],
  ])('refuses %s', (_what, input) => {
    expect(deviceScene.input.safeParse(input).success).toBe(false);
  });
});
