import { run, type Unit } from '@daca-mesh/protocol/server';
import { query } from './device-tables.ts';
import type { StateRules } from './kinds/kind.ts';

const rooms = ['kitchen', 'living room', 'bedroom', 'bathroom', 'hall', 'office'];

/** Makes sure that there are so many devices: `light-1`, `light-2`, … Those that exist stay as they are. */
export function* seedDevices<State extends object>(kind: StateRules<State>, count: number, now: number): Unit<void> {
  const state = JSON.stringify(kind.initial);
  for (let index = 0; index < count; index++) {
    const room = rooms[index % rooms.length] ?? '';
    const round = Math.floor(index / rooms.length);
    const name = `${room[0]?.toUpperCase()}${room.slice(1)} ${kind.name}${round === 0 ? '' : ` ${round + 1}`}`;
    const row = { device_id: `${kind.name}-${index + 1}`, name, room, state, state_at: now, health: 'ok' as const };
    const missing = query.insertInto('devices').values(row);
    yield* run(missing.onConflict((conflict) => conflict.doNothing()).compile());
  }
}
