import { isMeshError } from '@daca-mesh/protocol';
import { all, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import type { Peer } from '../directory/peer.ts';
import { type CallRow, query } from '../store/schema.ts';
import { never, requestOf } from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';

/**
 * An agent that is configured at another address than before, with calls that wait for it at the old one. That its card
 * has the same name proves nothing: another store would do again what was done. A task of the old address does, with its
 * context, which we do not name: only the store that has it can tell. Then all calls of that address go to the new one,
 * where the agent recognizes what it was sent before.
 */

const lookTimeoutMs = 10_000;

/** Moves the calls of a configured peer from where it was before to where it is. @returns whether there were any. */
export async function moveCalls(deps: WatcherDeps, peer: Peer, signal: AbortSignal): Promise<boolean> {
  const { database, directory, logger } = deps;
  if (!directory.isConfigured(peer.origin)) return false;
  let hasMoved = false;
  for (const from of await database.read(() => addressesOf(peer.name))) {
    // Who answers there goes on with them.
    if (directory.isConfigured(from) || directory.at(from)?.healthy) continue;
    const known = await database.read(() => newestTask(peer.name, from));
    if (!known || !(await hasTask(peer, known, signal))) continue;
    const count = await database.write(() => move(peer, from));
    logger.info({ peer: peer.origin, name: peer.name, from, count }, 'an agent has moved, and its calls with it');
    hasMoved = true;
  }
  return hasMoved;
}

async function hasTask(peer: Peer, row: CallRow, signal: AbortSignal): Promise<boolean> {
  try {
    const options = { signal, timeoutMs: lookTimeoutMs, historyLength: 0 };
    const { contextId } = await peer.client.get(row.task_id ?? '', options);
    return contextId === requestOf(row).contextId;
  } catch (error) {
    if (isMeshError(error)) return false;
    throw error;
  }
}

const selectAddresses = statement<{ agent: string }, Pick<CallRow, 'peer_url'>>((value) =>
  query
    .selectFrom('calls')
    .select('peer_url')
    .distinct()
    .where('state', '<>', 'settled')
    .where('agent', '=', value('agent')),
);

function* addressesOf(agent: string): Unit<string[]> {
  return (yield* all(selectAddresses({ agent }))).flatMap(({ peer_url }) => peer_url ?? []);
}

function* newestTask(agent: string, origin: string): Unit<CallRow | undefined> {
  return yield* first(
    query
      .selectFrom('calls')
      .selectAll()
      .where('peer_url', '=', origin)
      .where('agent', '=', agent)
      .where('task_id', '<>', '')
      .orderBy('created_at', 'desc')
      .limit(1)
      .compile(),
  );
}

function* move(peer: Peer, from: string): Unit<number> {
  const now = Date.now();
  return yield* run(
    query
      .updateTable('calls')
      .set((eb) => ({
        peer_url: peer.origin,
        tries: 0,
        // What waits for something else than time goes on waiting for it.
        next_at: eb.case().when('next_at', '=', never).then(never).else(now).end(),
      }))
      .where('state', '<>', 'settled')
      .where('peer_url', '=', from)
      .where('agent', '=', peer.name)
      .compile(),
  );
}
