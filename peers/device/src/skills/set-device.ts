import { setTimeout as sleep } from 'node:timers/promises';
import { isMeshError } from '@daca-mesh/protocol';
import { afterCommit, killPoint, run, type TaskHandle, type Unit, writeOnce } from '@daca-mesh/protocol/server';
import type { DeviceAgent } from '../device-agent.ts';
import { loadDevice, recordCommand, saveHealth, saveState, stateOf, toDevice } from '../device-store.ts';
import { query } from '../device-tables.ts';
import { refusalOf } from '../faults.ts';
import type { Device } from '../kinds/kind.ts';

type Task = Pick<TaskHandle, 'idempotencyKey' | 'signal'>;

/**
 * Has a device do what it is told, once per caller's key, after the time it takes.
 * @throws MeshError `NOT_FOUND`, `INVALID_ARGUMENT`, or `DEVICE_…` where a fault keeps it from obeying.
 */
export async function setDevice<State extends object, Settings>(
  { kind, database, commandMs }: DeviceAgent<State, Settings>,
  { deviceId, ...rest }: { deviceId: string } & Settings,
  task: Task,
): Promise<{ device: Device<State>; previous: State }> {
  // What is left of the input.
  const settings = rest as Settings;
  const skill = `set-${kind.name}`;
  const effectKey = task.idempotencyKey(skill);
  const startedAt = Date.now();
  const { faults } = await database.read(() => loadDevice(deviceId));
  killPoint('command-started');
  const delayMs = commandMs + (faults.find(({ type }) => type === 'slow')?.delay_ms ?? 0);
  if (delayMs > 0) await sleep(delayMs, undefined, { signal: task.signal });
  try {
    return await database.write(() =>
      writeOnce(effectKey, function* (at): Unit<{ device: Device<State>; previous: State }> {
        const device = yield* loadDevice(deviceId);
        const refusal = refusalOf(deviceId, device.faults);
        if (refusal) throw refusal;
        const previous = stateOf(kind, device, at);
        const changed = yield* saveState(device, kind.apply(previous, settings), at);
        yield* recordCommand({ deviceId, skill, command: settings, effectKey, startedAt, endedAt: at });
        yield* afterCommit(() => killPoint('command-applied'));
        return { device: toDevice(kind, changed, at), previous };
      }),
    );
  } catch (error) {
    // A refused command leaves nothing behind but this.
    if (isMeshError(error) && error.details?.['fault']) await database.write(() => countRefusal(deviceId));
    throw error;
  }
}

/** Faults that clear themselves do so here. */
function* countRefusal(deviceId: string): Unit<void> {
  const counted = yield* run(
    query
      .updateTable('device_faults')
      .set(({ eb }) => ({ commands_left: eb('commands_left', '-', 1) }))
      .where('device_id', '=', deviceId)
      .where('commands_left', 'is not', null)
      .compile(),
  );
  if (counted === 0) return;
  const isOver = query.deleteFrom('device_faults').where('device_id', '=', deviceId).where('commands_left', '<=', 0);
  if ((yield* run(isOver.compile())) > 0) yield* saveHealth(deviceId);
}
