import { run, type Unit } from '@daca-mesh/protocol/server';
import { unstallRun } from '../runs/stalled-runs.ts';
import { claimFresh } from '../runs/claim-run.ts';
import { loadRun } from '../runs/run-rows.ts';
import type { UnitDeps } from '../runs/unit-deps.ts';
import { query, type RunRow } from '../store/schema.ts';
import type { ActivityScope } from '../workflow-kit/contract.ts';

/**
 * What the first commit of every activity begins with. It closes the outbox rows of events the workflow has consumed: they
 * need not be raised again. It shows that the run goes on, where it was stalled, and claims it, where its instance is fresh.
 * @returns the run, but for its status as it was before.
 */
export function* enterActivity(deps: UnitDeps, { runId, seen, token }: ActivityScope): Unit<RunRow | undefined> {
  const row = yield* loadRun(runId);
  if (token !== undefined) yield* claimFresh(deps, row, token);
  if (row?.status === 'stalled') yield* unstallRun(deps, runId);
  if (seen.below <= 1 && seen.above.length === 0) return row;
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
  return row;
}
