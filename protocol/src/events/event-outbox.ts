import type { DatabaseSchema } from '../server/database/sqlite-database.ts';
import { sqliteQueryBuilder, statement } from '../server/database/statement.ts';
import { afterCommit, all, first, run, type Unit } from '../server/database/unit.ts';
import { type CloudEvent, createEvent } from './cloud-event.ts';

/**
 * Events that are to be published: stored in the same commit as what they tell about, so that neither exists without
 * the other, and removed when the bus has them.
 */

/** The most that may wait for a bus; beyond it the oldest events are dropped, so that the work goes on. */
export const maxOutboxEvents = 100_000;
export const maxOutboxBytes = 256 * 1024 ** 2;
/** The most events that are kept of those the bus refused. */
export const maxRefusedEvents = 1_000;
/** A full outbox makes room for this part of what it may hold at once, which costs less than room for one after another. */
const droppedPart = 0.01;

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
    `ALTER TABLE event_outbox ADD COLUMN ends_at INTEGER NOT NULL DEFAULT 0;
    DROP INDEX event_outbox_due;
    CREATE INDEX event_outbox_due ON event_outbox (seq, ends_at) WHERE refused IS NULL;
    CREATE TABLE event_dropped (
      source TEXT PRIMARY KEY, events INTEGER NOT NULL, told INTEGER NOT NULL, last_at INTEGER NOT NULL) STRICT;`,
  ],
};

interface OutboxTable {
  seq: number;
  event: string;
  put_at: number;
  /** Why the bus will never take it; the newest such rows stay for whoever looks. */
  refused: string | null;
  /** Where it ends among the bytes of all that were put, so that two rows tell how many lie between them. */
  ends_at: number;
}

/** How many events of a source were dropped, ever, and how many of them the bus was told about. */
interface DroppedTable {
  source: string;
  events: number;
  told: number;
  last_at: number;
}

const query = sqliteQueryBuilder<{ event_outbox: OutboxTable; event_dropped: DroppedTable }>();

type Place = Pick<OutboxTable, 'seq' | 'ends_at'>;

const insert = statement<{ event: string; now: number; endsAt: number }, Place>((value) =>
  query
    .insertInto('event_outbox')
    // The builder knows no generated columns; SQLite numbers the row.
    .values({ event: value('event'), put_at: value('now'), refused: null, ends_at: value('endsAt') } as never)
    .returning(['seq', 'ends_at']),
);
const selectOldest = statement<object, Place>(() =>
  query.selectFrom('event_outbox').select(['seq', 'ends_at']).where('refused', 'is', null).orderBy('seq').limit(1),
);
const selectNewest = statement<object, Place>(() =>
  query.selectFrom('event_outbox').select(['seq', 'ends_at']).orderBy('seq', 'desc').limit(1),
);

/** Wake-ups after a commit. They carry no truth and may come for another database: whoever is woken reads the rows. */
const listeners = new Set<() => void>();

/** Calls the listener after commits that put events, until the returned function is called. */
export function onEventPut(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Puts an event into the outbox, in the commit of the unit it is part of. It always succeeds: where too many wait already,
 * the oldest are dropped and counted.
 */
export function* putEvent(event: CloudEvent): Unit<void> {
  const text = JSON.stringify(event);
  const before = yield* first(selectNewest({}));
  const endsAt = (before?.ends_at ?? 0) + Buffer.byteLength(text);
  const mine = yield* first(insert({ event: text, now: Date.now(), endsAt }));
  const oldest = yield* first(selectOldest({}));
  if (mine && oldest && isFull(oldest, mine)) yield* dropOldest(mine);
  yield* afterCommit(() => {
    for (const listener of listeners) listener();
  });
}

const isFull = (oldest: Place, newest: Place): boolean =>
  newest.seq - oldest.seq >= maxOutboxEvents || newest.ends_at - oldest.ends_at >= maxOutboxBytes;

function* dropOldest(newest: Place): Unit<void> {
  const kept = 1 - droppedPart;
  const waiting = query.selectFrom('event_outbox').select('seq').where('refused', 'is', null);
  const fits = waiting
    .where('seq', '>', newest.seq - maxOutboxEvents * kept)
    .where('ends_at', '>', newest.ends_at - maxOutboxBytes * kept);
  const firstKept = yield* first(fits.orderBy('seq').limit(1).compile());
  const surplus = query
    .deleteFrom('event_outbox')
    .where('refused', 'is', null)
    .where('seq', '<', firstKept?.seq ?? newest.seq);
  const dropped = yield* all(surplus.returning('event').compile());
  const counts = new Map<string, number>();
  for (const { event } of dropped) {
    // Written by putEvent.
    const { source } = JSON.parse(event) as CloudEvent;
    counts.set(source, (counts.get(source) ?? 0) + 1);
  }
  const last_at = Date.now();
  for (const [source, events] of counts) {
    yield* run(
      query
        .insertInto('event_dropped')
        .values({ source, events, told: 0, last_at })
        .onConflict((conflict) =>
          conflict.doUpdateSet((eb) => ({ events: eb('event_dropped.events', '+', events), last_at })),
        )
        .compile(),
    );
  }
}

/** How an outbox stands. */
export interface OutboxState {
  /** Events that wait for the bus, those included that it refused since the oldest of them. */
  waiting: number;
  /** Since when the oldest of them waits, RFC 3339. */
  since?: string;
  /** Events that were dropped, ever, because too many waited. */
  dropped: number;
  /** When the last of them was, RFC 3339. */
  droppedAt?: string;
}

/** How the outbox stands. */
export function* outboxState(): Unit<OutboxState> {
  const oldest = yield* first(selectOldest({}));
  const since = query
    .selectFrom('event_outbox')
    .select('put_at')
    .where('seq', '=', oldest?.seq ?? 0);
  const putAt = (yield* first(since.compile()))?.put_at;
  const newest = yield* first(selectNewest({}));
  const drops = query
    .selectFrom('event_dropped')
    .select(({ fn }) => [fn.sum<number | null>('events').as('events'), fn.max<number | null>('last_at').as('last_at')]);
  const dropped = yield* first(drops.compile());
  return {
    waiting: oldest && newest ? newest.seq - oldest.seq + 1 : 0,
    ...(putAt === undefined ? {} : { since: new Date(putAt).toISOString() }),
    dropped: dropped?.events ?? 0,
    ...(dropped?.last_at ? { droppedAt: new Date(dropped.last_at).toISOString() } : {}),
  };
}

/** Whether events were dropped that the bus was not told about. */
export function* hasUntoldDrops(): Unit<boolean> {
  return (yield* first(untold({}))) !== undefined;
}

/** Puts an event that says how many were dropped, for each source that has not said so yet. */
export function* tellDrops(): Unit<void> {
  for (const { source, events, told, last_at } of yield* all(untold({}))) {
    const data = { events: events - told, until: new Date(last_at).toISOString() };
    yield* putEvent(createEvent({ type: 'EventsDropped', source, data }));
    yield* run(query.updateTable('event_dropped').set({ told: events }).where('source', '=', source).compile());
  }
}

const untold = statement<object, DroppedTable>(() =>
  query.selectFrom('event_dropped').selectAll().whereRef('told', '<', 'events'),
);

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

/** The oldest events that wait: so many, and so many bytes, but one at least. */
export function* waitingEvents(limit: number, maxBytes: number): Unit<WaitingEvent[]> {
  const waiting: WaitingEvent[] = [];
  let bytes = 0;
  for (const { seq, event } of yield* all(selectWaiting({ limit }))) {
    bytes += Buffer.byteLength(event);
    if (waiting.length > 0 && bytes > maxBytes) break;
    // Written by putEvent.
    waiting.push({ seq, event: JSON.parse(event) as CloudEvent });
  }
  return waiting;
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
