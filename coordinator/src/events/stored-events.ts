import { type CloudEvent, CloudEvent as CloudEventSchema } from '@daca-mesh/protocol/events';
import { all, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { type Selectable, sql } from 'kysely';
import type { EventOutcome } from './apply-rules.ts';
import { type CloudEventRow, eventQuery } from './event-tables.ts';

/** The log of events that came and of those that were published, for people; what counts is decided elsewhere. */

/** An event of the log. */
export interface StoredEvent {
  /** Its number in the log. */
  seq: number;
  direction: 'in' | 'out';
  /** RFC 3339: when it was stored. */
  at: string;
  event: CloudEvent;
  /** What became of it here; missing for what was published to others only. */
  outcome?: EventOutcome;
}

const insertEvent = statement<Omit<Selectable<CloudEventRow>, 'seq'>, { seq: number }>((value) =>
  eventQuery
    .insertInto('cloud_events')
    .values({
      source: value('source'),
      id: value('id'),
      direction: value('direction'),
      type: value('type'),
      event: value('event'),
      outcome: value('outcome'),
      status: value('status'),
      at: value('at'),
    })
    .onConflict((conflict) => conflict.columns(['source', 'id']).doNothing())
    .returning('seq'),
);

/** Stores an event. @returns its number, or undefined when it is there already; then only its outcome is noted. */
export function* storeEvent(
  event: CloudEvent,
  direction: 'in' | 'out',
  outcome?: EventOutcome,
): Unit<number | undefined> {
  const decided = outcome && { outcome: JSON.stringify(outcome), status: outcome.status };
  const { source, id, type } = event;
  const row = { source, id, direction, type, event: JSON.stringify(event), outcome: null, status: null };
  const inserted = yield* first(insertEvent({ ...row, ...decided, at: Date.now() }));
  if (inserted || !decided) return inserted?.seq;
  yield* run(
    eventQuery.updateTable('cloud_events').set(decided).where('source', '=', source).where('id', '=', id).compile(),
  );
  return undefined;
}

/** What became of an event that came before. */
export function* loadOutcome({ source, id }: CloudEvent): Unit<EventOutcome | undefined> {
  const row = yield* first(
    eventQuery.selectFrom('cloud_events').select('outcome').where('source', '=', source).where('id', '=', id).compile(),
  );
  // Written by storeEvent.
  return row?.outcome ? (JSON.parse(row.outcome) as EventOutcome) : undefined;
}

/** Which events of the log. */
export interface StoredEventFilter {
  direction?: 'in' | 'out' | undefined;
  type?: string | undefined;
  status?: EventOutcome['status'] | undefined;
  /** Older than this number. */
  before?: number | undefined;
  limit: number;
}

/** Events of the log, the newest first. */
export function* listEvents(filter: StoredEventFilter): Unit<StoredEvent[]> {
  let events = eventQuery.selectFrom('cloud_events').selectAll();
  if (filter.direction !== undefined) events = events.where('direction', '=', filter.direction);
  if (filter.type !== undefined) events = events.where('type', '=', filter.type);
  if (filter.status !== undefined) events = events.where('status', '=', filter.status);
  if (filter.before !== undefined) events = events.where('seq', '<', filter.before);
  const rows = yield* all(events.orderBy('seq', 'desc').limit(filter.limit).compile());
  return rows.map(toStoredEvent);
}

const toStoredEvent = (row: Selectable<CloudEventRow>): StoredEvent => ({
  seq: row.seq,
  direction: row.direction,
  at: new Date(row.at).toISOString(),
  event: CloudEventSchema.parse(JSON.parse(row.event)),
  // Written by storeEvent.
  ...(row.outcome === null ? {} : { outcome: JSON.parse(row.outcome) as EventOutcome }),
});

/** The number of the newest event that is too much: beyond the newest so many, or beyond so many bytes of them. */
export function* lastSurplusEvent(keep: { events: number; bytes: number }): Unit<number> {
  const last = eventQuery.selectFrom('cloud_events').select(({ fn }) => fn.max<number | null>('seq').as('seq'));
  const tooOld = Math.max(0, ((yield* first(last.compile()))?.seq ?? 0) - keep.events);
  const newest = eventQuery.selectFrom('cloud_events').where('seq', '>', tooOld);
  const sum = newest.select(sql<number | null>`sum(octet_length(event))`.as('bytes'));
  // Adding them up one by one takes longer, and is seldom needed.
  if (((yield* first(sum.compile()))?.bytes ?? 0) <= keep.bytes) return tooOld;
  const adding = newest.select(['seq', sql<number>`sum(octet_length(event)) OVER (ORDER BY seq DESC)`.as('bytes')]);
  const tooMuch = eventQuery
    .selectFrom(adding.as('adding'))
    .select(({ fn }) => fn.max<number | null>('seq').as('seq'))
    .where('bytes', '>', keep.bytes);
  return (yield* first(tooMuch.compile()))?.seq ?? tooOld;
}

/**
 * Removes what is older than a moment, and all up to a number; what still has to reach a webhook stays. A few at a time,
 * so that others get their turn. @returns whether there is more.
 */
export function* pruneEvents(beforeMs: number, upToSeq: number): Unit<boolean> {
  const old = yield* all(
    eventQuery
      .selectFrom('cloud_events')
      .select('seq')
      .where((eb) => eb.or([eb('at', '<', beforeMs), eb('seq', '<=', upToSeq)]))
      .where((eb) => {
        // Looked up event by event: a webhook that is away may have very many that are pending.
        const pending = eb.selectFrom('event_deliveries').select('delivery_id').where('status', '=', 'pending');
        return eb.not(eb.exists(pending.whereRef('event_seq', '=', 'cloud_events.seq')));
      })
      .limit(prunePage)
      .compile(),
  );
  const seqs = old.map(({ seq }) => seq);
  yield* run(eventQuery.deleteFrom('cloud_events').where('seq', 'in', seqs).compile());
  yield* run(eventQuery.deleteFrom('event_deliveries').where('event_seq', 'in', seqs).compile());
  return seqs.length === prunePage;
}

const prunePage = 500;
