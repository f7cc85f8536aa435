import { MeshError } from '../mesh-error.ts';
import type { DatabaseSchema } from '../server/database/sqlite-database.ts';
import { sqliteQueryBuilder, statement } from '../server/database/statement.ts';
import { afterCommit, all, first, run, type Unit } from '../server/database/unit.ts';
import type { CloudEvent } from './cloud-event.ts';

/**
 * Events that are to be published: stored in the same commit as what they tell about, so that neither exists without
 * the other, and removed when the bus has them.
 */

/** The most events that may wait for a bus, and that are kept of those it refused. */
export const maxOutboxEvents = 100_000;
export const maxRefusedEvents = 1_000;

/** The tables of an agent's events: those it publishes, and the ids of those it received. */
export const eventSchema: DatabaseSchema = {
  component: 'events',
  versions: [
    `CREATE TABLE event_outbox (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, put_at INTEGER NOT NULL, refused TEXT) STRICT;
    CREATE INDEX event_outbox_due ON event_outbox (seq) WHERE refused IS NULL;
    CREATE INDEX event_outbox_refused ON event_outbox (seq) WHERE refused IS NOT NULL;
    CREATE TABLE event_received (
      source TEXT NOT NULL, id TEXT NOT NULL, received_at INTEGER NOT NULL, PRIMARY KEY (source, id)) STRICT, WITHOUT ROWID;
    CREATE INDEX event_received_by_time ON event_received (received_at);`,
  ],
};

interface OutboxTable {
  seq: number;
  event: string;
  put_at: number;
  /** Why the bus will never take it; the newest such rows stay for whoever looks. */
  refused: string | null;
}

const query = sqliteQueryBuilder<{ event_outbox: OutboxTable }>();

const insert = statement<{ event: string; now: number }, unknown>((value) =>
  // The builder knows no generated columns; SQLite numbers the row.
  query.insertInto('event_outbox').values({ event: value('event'), put_at: value('now'), refused: null } as never),
);
const countWaiting = statement<object, { seq: number | null; last: number | null }>(() =>
  query
    .selectFrom('event_outbox')
    .select((eb) => [
      eb
        .selectFrom('event_outbox as a')
        .select(({ fn }) => fn.min('a.seq').as('seq'))
        .where('a.refused', 'is', null)
        .as('seq'),
      eb
        .selectFrom('event_outbox as b')
        .select(({ fn }) => fn.max('b.seq').as('seq'))
        .as('last'),
    ])
    .limit(1),
);

/** Wake-ups after a commit. They carry no truth and may come for another database: whoever is woken reads the rows. */
const listeners = new Set<() => void>();

/** Calls the listener after commits that put events, until the returned function is called. */
export function onEventPut(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Puts an event into the outbox, in the commit of the unit it is part of.
 * @throws MeshError `RESOURCE_EXHAUSTED` (retryable) when too many events wait already.
 */
export function* putEvent(event: CloudEvent): Unit<void> {
  // Rows that were refused stay where they are and do not count.
  const waiting = yield* first(countWaiting({}));
  if (waiting && waiting.seq !== null && (waiting.last ?? 0) - waiting.seq >= maxOutboxEvents) {
    throw new MeshError('RESOURCE_EXHAUSTED', 'too many events wait to be published', { retryable: true });
  }
  yield* run(insert({ event: JSON.stringify(event), now: Date.now() }));
  yield* afterCommit(() => {
    for (const listener of listeners) listener();
  });
}

/** A row that waits. */
export interface WaitingEvent {
  seq: number;
  event: CloudEvent;
}

const selectWaiting = statement<{ limit: number }, { seq: number; event: string }>((value) =>
  query
    .selectFrom('event_outbox')
    .select(['seq', 'event'])
    .where('refused', 'is', null)
    .orderBy('seq')
    .limit(value('limit')),
);

/** The oldest events that wait. */
export function* waitingEvents(limit: number): Unit<WaitingEvent[]> {
  const rows = yield* all(selectWaiting({ limit }));
  // Written by putEvent.
  return rows.map(({ seq, event }) => ({ seq, event: JSON.parse(event) as CloudEvent }));
}

/** Removes what the bus has. */
export function* removeEvents(seqs: readonly number[]): Unit<void> {
  yield* run(query.deleteFrom('event_outbox').where('seq', 'in', seqs).compile());
}

/** Sets an event aside that the bus will never take. */
export function* refuseEvent(seq: number, reason: string): Unit<void> {
  yield* run(query.updateTable('event_outbox').set({ refused: reason }).where('seq', '=', seq).compile());
  const refused = query.selectFrom('event_outbox').select('seq').where('refused', 'is not', null);
  const surplus = refused.orderBy('seq', 'desc').limit(-1).offset(maxRefusedEvents);
  yield* run(query.deleteFrom('event_outbox').where('seq', 'in', surplus).compile());
}

/** Where nobody publishes: only the newest events are kept. */
export function* keepNewest(count: number): Unit<void> {
  const newest = query.selectFrom('event_outbox').select(({ fn }) => fn.max('seq').as('seq'));
  const row = yield* first(newest.compile());
  yield* run(
    query
      .deleteFrom('event_outbox')
      .where('seq', '<=', (row?.seq ?? 0) - count)
      .compile(),
  );
}
