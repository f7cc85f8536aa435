import type { FaultType, ServiceAction } from '@daca-mesh/agent-cards';
import { run, type TaskHandle, type Unit, writeOnce } from '@daca-mesh/protocol/server';
import type { DeviceAgent } from '../device-agent.ts';
import { loadDevice, recordCommand, saveHealth, saveState, stateOf, toDevice } from '../device-store.ts';
import { query } from '../device-tables.ts';
import { resolvedBy } from '../faults.ts';
import type { Device } from '../kinds/kind.ts';

type Serviced<State> = { device: Device<State>; resolved: FaultType[]; note: string };

/** Has a device serviced, once per caller's key: the faults that the action helps against are gone. */
export const serviceDevice = <State extends object, Settings>(
  { kind, database }: DeviceAgent<State, Settings>,
  { deviceId, action }: { deviceId: string; action: ServiceAction },
  task: Pick<TaskHandle, 'idempotencyKey'>,
): Promise<Serviced<State>> => {
  const skill = `service-${kind.name}`;
  const effectKey = task.idempotencyKey(skill);
  return database.write(() =>
    writeOnce(effectKey, function* (at): Unit<Serviced<State>> {
      const before = yield* loadDevice(deviceId);
      const types = resolvedBy(action);
      const resolved = before.faults.map(({ type }) => type).filter((type) => types.includes(type));
      // What became of its state until now was under its faults.
      yield* saveState(before, stateOf(kind, before, at), at);
      yield* run(
        query.deleteFrom('device_faults').where('device_id', '=', deviceId).where('type', 'in', types).compile(),
      );
      const device = yield* saveHealth(deviceId);
      yield* recordCommand({ deviceId, skill, command: { action }, effectKey, startedAt: at, endedAt: at });
      const note = resolved.length > 0 ? `${action} resolved ${resolved.join(' and ')}` : `${action} changed nothing`;
      return { device: toDevice(kind, device, at), resolved, note };
    }),
  );
};
