import { all, type Unit } from '@daca-mesh/protocol/server';
import type { DeviceAgent } from '../device-agent.ts';
import { type StoredDevice, toDevice } from '../device-store.ts';
import { query } from '../device-tables.ts';
import type { Device, ListInput } from '../kinds/kind.ts';

/** Lists devices in the order of their ids. The cursor is the last id of the page before. */
export async function listDevices<State extends object, Settings>(
  { kind, database }: DeviceAgent<State, Settings>,
  input: ListInput,
): Promise<{ devices: Device<State>[]; nextCursor?: string }> {
  const found = await database.read(() => selectDevices(input));
  const devices = found.slice(0, input.limit);
  const last = found.length > devices.length ? devices.at(-1)?.device_id : undefined;
  const now = Date.now();
  return {
    devices: devices.map((device) => toDevice(kind, device, now)),
    ...(last === undefined ? {} : { nextCursor: last }),
  };
}

function* selectDevices({ room, health, limit, cursor }: ListInput): Unit<StoredDevice[]> {
  const rows = yield* all(
    query
      .selectFrom('devices')
      .selectAll()
      .$if(room !== undefined, (devices) => devices.where('room', '=', room ?? ''))
      .$if(health !== undefined, (devices) => devices.where('health', '=', health ?? 'ok'))
      .$if(cursor !== undefined, (devices) => devices.where('device_id', '>', cursor ?? ''))
      .orderBy('device_id')
      // One more tells whether there is another page.
      .limit(limit + 1)
      .compile(),
  );
  const [from, to] = [rows[0]?.device_id ?? '', rows.at(-1)?.device_id ?? ''];
  const faults = yield* all(
    query
      .selectFrom('device_faults')
      .selectAll()
      .where('device_id', '>=', from)
      .where('device_id', '<=', to)
      .orderBy('since')
      .compile(),
  );
  const faultsOf = Map.groupBy(faults, ({ device_id }) => device_id);
  return rows.map((row) => Object.assign(row, { faults: faultsOf.get(row.device_id) ?? [] }));
}
