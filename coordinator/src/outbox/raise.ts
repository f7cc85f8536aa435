import { afterCommit, first, run, type Unit } from '@daca-mesh/protocol/server';
import { query } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';

/**
 * Puts an event for a run's instance into the outbox, numbered within the run. It is raised after the commit, and again
 * after an engine restart, until the run is known to have consumed it; the kit drops what it has seen.
 */
export function* raiseEvent(signals: Signals, runId: string, name: string, payload: unknown): Unit<void> {
  const numbered = yield* first(
    query
      .updateTable('runs')
      .set((eb) => ({ last_event: eb('last_event', '+', 1) }))
      .where('run_id', '=', runId)
      .returning('last_event')
      .compile(),
  );
  if (!numbered) return;
  yield* run(
    query
      .insertInto('outbox')
      .values({
        run_id: runId,
        kind: 'raise',
        event_no: numbered.last_event,
        name,
        payload: JSON.stringify(payload ?? null),
        state: 'pending',
        tries: 0,
        next_at: Date.now(),
      })
      .compile(),
  );
  yield* afterCommit(() => signals.outbox.emit());
}
