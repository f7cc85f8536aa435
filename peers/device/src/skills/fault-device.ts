import type { InjectedFault } from '@daca-mesh/agent-cards';
import { run, type TaskHandle, type Unit, writeOnce } from '@daca-mesh/protocol/server';
import type { DeviceAgent } from '../device-agent.ts';
import { loadDevice, recordCommand, saveHealth, saveState, stateOf, tell, toDevice } from '../device-store.ts';
import { query } from '../device-tables.ts';
import type { Device } from '../kinds/kind.ts';

type Faulted<State> = { device: Device<State> };

/** Injects a fault into a device, or clears all it has, once per caller's key. */
export const faultDevice = <State extends object, Settings>(
  { kind, database }: DeviceAgent<State, Settings>,
  {
    deviceId,
    fault,
    announce = true,
  }: { deviceId: string; fault: InjectedFault | null; announce?: boolean | undefined },
  task: Pick<TaskHandle, 'idempotencyKey'>,
): Promise<Faulted<State>> => {
  const skill = `fault-${kind.name}`;
  const effectKey = task.idempotencyKey(skill);
  return database.write(() =>
    writeOnce(effectKey, function* (at): Unit<Faulted<State>> {
      const before = yield* loadDevice(deviceId);
      // What became of its state until now was not under the new faults.
      yield* saveState(before, stateOf(kind, before, at), at);
      if (fault) yield* inject(deviceId, fault, at);
      else yield* run(query.deleteFrom('device_faults').where('device_id', '=', deviceId).compile());
      const device = toDevice(kind, yield* saveHealth(deviceId), at);
      const isNew = fault && !before.faults.some(({ type }) => type === fault.type);
      if (isNew && announce)
        yield* tell('DeviceUnhealthy', kind.name, device, { state: device.state, fault: fault.type });
      yield* recordCommand({ deviceId, skill, command: { fault }, effectKey, startedAt: at, endedAt: at });
      return { device };
    }),
  );
};

function* inject(deviceId: string, fault: InjectedFault, at: number): Unit<void> {
  const terms = {
    delay_ms: fault.type === 'slow' ? fault.delayMs : null,
    commands_left: ('commands' in fault ? fault.commands : undefined) ?? null,
  };
  yield* run(
    query
      .insertInto('device_faults')
      .values({ device_id: deviceId, type: fault.type, since: at, ...terms })
      .onConflict((conflict) => conflict.columns(['device_id', 'type']).doUpdateSet(terms))
      .compile(),
  );
}
