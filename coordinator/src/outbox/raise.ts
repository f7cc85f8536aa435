import { afterCommit, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { type OutboxRow, query, type RunRow } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';

const nextNumber = statement<Pick<RunRow, 'run_id'>, Pick<RunRow, 'last_event'>>((value) =>
  query
    .updateTable('runs')
    .set((eb) => ({ last_event: eb('last_event', '+', 1) }))
    .where('run_id', '=', value('run_id'))
    .returning('last_event'),
);

const insertEvent = statement<Pick<OutboxRow, 'run_id' | 'event_no' | 'name' | 'payload' | 'next_at'>, unknown>(
  (value) =>
    query.insertInto('outbox').values({
      run_id: value('run_id'),
      kind: 'raise',
      event_no: value('event_no'),
      name: value('name'),
      payload: value('payload'),
      state: 'pending',
      tries: 0,
      next_at: value('next_at'),
    }),
);

/**
 * Puts an event for a run's instance into the outbox, numbered within the run. It is raised after the commit, and again
 * after an engine restart, until the run is known to have consumed it; the kit drops what it has seen.
 */
export function* raiseEvent(signals: Signals, runId: string, name: string, payload: unknown): Unit<void> {
  const numbered = yield* first(nextNumber({ run_id: runId }));
  if (!numbered) return;
  const event = { run_id: runId, event_no: numbered.last_event, name, payload: JSON.stringify(payload ?? null) };
  yield* run(insertEvent({ ...event, next_at: Date.now() }));
  yield* afterCommit(() => signals.outbox.emit());
}
