import { run, type Unit } from '@daca-mesh/protocol/server';
import { unstallRun } from '../runs/stalled-runs.ts';
import { query } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import type { ActivityScope } from '../workflow-kit/contract.ts';

/**
 * Closes the outbox rows of events the workflow has consumed: they need not be raised again. An activity also shows that
 * the run goes on, where it was stalled.
 */
export function* markConsumed(signals: Signals, { runId, seen }: Pick<ActivityScope, 'runId' | 'seen'>): Unit<void> {
  yield* unstallRun(signals, runId);
  if (seen.below <= 1 && seen.above.length === 0) return;
  yield* run(
    query
      .updateTable('outbox')
      .set({ state: 'done' })
      .where('run_id', '=', runId)
      .where('kind', '=', 'raise')
      .where('state', '<>', 'done')
      .where((eb) =>
        eb.or([eb('event_no', '<', seen.below), ...(seen.above.length > 0 ? [eb('event_no', 'in', seen.above)] : [])]),
      )
      .compile(),
  );
}
