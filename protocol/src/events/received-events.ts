import { sqliteQueryBuilder, statement } from '../server/database/statement.ts';
import { run, type Unit } from '../server/database/unit.ts';
import type { CloudEvent } from './cloud-event.ts';

interface ReceivedTable {
  source: string;
  id: string;
  received_at: number;
}

const query = sqliteQueryBuilder<{ event_received: ReceivedTable }>();

const insert = statement<ReceivedTable, unknown>((value) =>
  query
    .insertInto('event_received')
    .values({ source: value('source'), id: value('id'), received_at: value('received_at') })
    .onConflict((conflict) => conflict.doNothing()),
);

/**
 * Whether an event is new here; the insert decides. What the event leads to belongs into the same unit: a bus delivers at
 * least once, and this makes it count once.
 */
export function* receiveOnce({ source, id }: Pick<CloudEvent, 'source' | 'id'>): Unit<boolean> {
  return (yield* run(insert({ source, id, received_at: Date.now() }))) > 0;
}

const forget = statement<{ before: number }, unknown>((value) =>
  query.deleteFrom('event_received').where('received_at', '<', value('before')),
);

/** Forgets events that came before a moment: beyond it, a repeated one counts as new. */
export function* forgetReceived(beforeMs: number): Unit<number> {
  return yield* run(forget({ before: beforeMs }));
}
