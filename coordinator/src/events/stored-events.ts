import { type CloudEvent, CloudEvent as CloudEventSchema } from '@daca-mesh/protocol/events';
import { all, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import type { Selectable } from 'kysely';
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

/**
 * Removes what is older than a moment, and all but the newest so many; what still has to reach a webhook stays. A few at
 * a time, so that others get their turn. @returns whether there is more.
 */
export function* pruneEvents(beforeMs: number, keep: number): Unit<boolean> {
  const last = yield* first(
    eventQuery
      .selectFrom('cloud_events')
      .select(({ fn }) => fn.max('seq').as('seq'))
      .compile(),
  );
  const old = yield* all(
    eventQuery
      .selectFrom('cloud_events')
      .select('seq')
      .where((eb) => eb.or([eb('at', '<', beforeMs), eb('seq', '<=', (last?.seq ?? 0) - keep)]))
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
