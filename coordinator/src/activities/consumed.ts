import { run, statement, type Unit } from '@daca-mesh/protocol/server';
import { query } from '../store/schema.ts';
import type { ActivityScope } from '../workflow-kit/contract.ts';

const wakeStalled = statement<{ run_id: string }, unknown>((value) =>
  query
    .updateTable('runs')
    .set({ status: 'running' })
    .where('run_id', '=', value('run_id'))
    .where('status', '=', 'stalled'),
);

/**
 * Closes the outbox rows of events the workflow has consumed: they need not be raised again. An activity also shows that
 * the run goes on, where it was stalled.
 */
export function* markConsumed({ runId, seen }: Pick<ActivityScope, 'runId' | 'seen'>): Unit<void> {
  yield* run(wakeStalled({ run_id: runId }));
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
