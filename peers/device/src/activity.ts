import { createHash } from 'node:crypto';
import { all, type Database, first, run, type Unit } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import { loadDevice, saveState, stateOf, tell, toDevice } from './device-store.ts';
import { query } from './device-tables.ts';
import type { StateRules } from './kinds/kind.ts';

const keptChanges = 1_000;

/** What {@link startActivity} needs. */
export interface ActivityOptions<State extends object> {
  kind: StateRules<State>;
  database: Database;
  logger: Logger;
  intervalMs: number;
  seed: number;
}

/** Lets a device change by itself now and then: somebody opens a door by hand, walks past a motion light. */
export function startActivity<State extends object>({
  kind,
  database,
  logger,
  intervalMs,
  seed,
}: ActivityOptions<State>): Disposable {
  const timer = setInterval(() => {
    database
      .write(() => touchDevice(kind, seed, Date.now()))
      .catch((err: unknown) => logger.warn({ err }, 'no device changed by itself'));
  }, intervalMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * Changes a device and tells about it, in one commit. Which one, and how, follows from the seed and from how many such
 * changes there were before, so that a restart goes on where it was.
 */
export function* touchDevice<State extends object>(kind: StateRules<State>, seed: number, at: number): Unit<void> {
  const reachable = query
    .selectFrom('devices')
    .select('device_id')
    .where('health', '<>', 'failed')
    .orderBy('device_id');
  const ids = yield* all(reachable.compile());
  const newest = query.selectFrom('device_changes').select(({ fn }) => fn.max('change_id').as('id'));
  const changes = (yield* first(newest.compile()))?.id ?? 0;
  const deviceId = ids[Math.floor(chanceOf(seed, changes, 'device') * ids.length)]?.device_id;
  if (deviceId === undefined) return;
  const before = yield* loadDevice(deviceId);
  const state = kind.touch(stateOf(kind, before, at), chanceOf(seed, changes, 'change'));
  const device = toDevice(kind, yield* saveState(before, state, at), at);
  yield* run(
    query
      .insertInto('device_changes')
      .values({ device_id: deviceId, state: JSON.stringify(state), at })
      .compile(),
  );
  yield* run(
    query
      .deleteFrom('device_changes')
      .where('change_id', '<=', changes + 1 - keptChanges)
      .compile(),
  );
  yield* tell('DeviceTriggered', kind.name, device, { state });
}

/** From 0 to below 1, the same for the same seed, number and purpose. */
const chanceOf = (seed: number, change: number, purpose: string): number =>
  createHash('sha256').update(`${seed}:${change}:${purpose}`).digest().readUInt32BE() / 2 ** 32;
