import type { DeviceKind } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { agentSource, createEvent, putEvent } from '@daca-mesh/protocol/events';
import { all, first, run, type Unit } from '@daca-mesh/protocol/server';
import { type DeviceRow, type FaultRow, query } from './device-tables.ts';
import { faultDetail, healthOf } from './faults.ts';
import type { Device, StateRules } from './kinds/kind.ts';

/** A device as it is stored. */
export interface StoredDevice extends DeviceRow {
  faults: readonly FaultRow[];
}

/** @throws MeshError `NOT_FOUND` */
export function* loadDevice(deviceId: string): Unit<StoredDevice> {
  const row = yield* first(query.selectFrom('devices').selectAll().where('device_id', '=', deviceId).compile());
  if (!row) throw new MeshError('NOT_FOUND', `there is no device ${deviceId}`);
  const faults = yield* all(
    query.selectFrom('device_faults').selectAll().where('device_id', '=', deviceId).orderBy('since').compile(),
  );
  return { ...row, faults };
}

/** The state of a device now; that of one that is offline, as it was last seen. */
export function stateOf<State extends object>(kind: StateRules<State>, device: StoredDevice, now: number): State {
  // Written by saveState from this type.
  const state = JSON.parse(device.state) as State;
  const isDrifting = device.faults.some(({ type }) => type === 'drift');
  return kind.evolve(state, lastSeenOf(device, now) - device.state_at, isDrifting);
}

const lastSeenOf = ({ faults }: StoredDevice, now: number): number =>
  faults.find(({ type }) => type === 'offline')?.since ?? now;

/** A device as its skills show it. */
export const toDevice = <State extends object>(
  kind: StateRules<State>,
  device: StoredDevice,
  now: number,
): Device<State> => ({
  deviceId: device.device_id,
  name: device.name,
  ...(device.room === null ? {} : { room: device.room }),
  state: stateOf(kind, device, now),
  health: device.health,
  faults: device.faults.map(({ type, since }) => ({
    type,
    since: new Date(since).toISOString(),
    detail: faultDetail(type),
  })),
  lastSeen: new Date(lastSeenOf(device, now)).toISOString(),
});

/** The device as it is after a change of its state. */
export function* saveState(device: StoredDevice, state: object, at: number): Unit<StoredDevice> {
  const changed = { state: JSON.stringify(state), state_at: at };
  yield* run(query.updateTable('devices').set(changed).where('device_id', '=', device.device_id).compile());
  return { ...device, ...changed };
}

/** The device as it is after its faults have changed. */
export function* saveHealth(deviceId: string): Unit<StoredDevice> {
  const device = yield* loadDevice(deviceId);
  const health = healthOf(device.faults);
  yield* run(query.updateTable('devices').set({ health }).where('device_id', '=', deviceId).compile());
  return { ...device, health };
}

/** A command that was applied. */
export interface AppliedCommand {
  deviceId: string;
  skill: string;
  command: unknown;
  effectKey: string;
  startedAt: number;
  endedAt: number;
}

export function* recordCommand(applied: AppliedCommand): Unit<void> {
  yield* run(
    query
      .insertInto('device_commands')
      .values({
        device_id: applied.deviceId,
        skill: applied.skill,
        command: JSON.stringify(applied.command),
        effect_key: applied.effectKey,
        started_at: applied.startedAt,
        ended_at: applied.endedAt,
      })
      .compile(),
  );
}

/** Tells the mesh about a device, in the commit of the unit it is part of. */
export function* tell(
  type: 'DeviceTriggered' | 'DeviceUnhealthy',
  kind: DeviceKind,
  device: { deviceId: string; health: string },
  facts: { state?: unknown; fault?: string },
): Unit<void> {
  const agent = `device-${kind}`;
  const { deviceId, health } = device;
  yield* putEvent(
    createEvent({
      type,
      source: agentSource(agent),
      subject: deviceId,
      data: { kind, deviceId, agent, health, ...facts },
    }),
  );
}
