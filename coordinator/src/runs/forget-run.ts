import { run, statement, type Unit } from '@daca-mesh/protocol/server';
import { query } from '../store/schema.ts';
import { isOver, loadRun } from './run-rows.ts';

/** How long a run that has ended can be looked at. Its A2A task is kept as long by the task core. */
export const runRetentionMs = 30 * 24 * 60 * 60 * 1_000;

const tables = ['calls', 'questions', 'waits', 'received_events', 'outbox', 'deadlines', 'timeline', 'runs'] as const;

const deletions = tables.map((table) =>
  statement<{ run_id: string }, unknown>((value) => query.deleteFrom(table).where('run_id', '=', value('run_id'))),
);

/** Deletes every row of a run that has ended; one that has not stays. */
export function* forgetRun(runId: string): Unit<void> {
  const row = yield* loadRun(runId);
  if (!row || !isOver(row)) return;
  for (const deletion of deletions) yield* run(deletion({ run_id: runId }));
}
