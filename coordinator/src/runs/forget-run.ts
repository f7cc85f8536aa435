import { all, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { forgetPayloads } from '../store/payloads.ts';
import { query, type RunRow } from '../store/schema.ts';
import { isOver, loadRun } from './run-rows.ts';

/** How long a run that has ended can be looked at. Its A2A task is kept as long by the task core. */
export const runRetentionMs = 30 * 24 * 60 * 60 * 1_000;

const tables = [
  'calls',
  'questions',
  'question_approvals',
  'waits',
  'received_events',
  'outbox',
  'deadlines',
  'timeline',
  'map_items',
  'runs',
] as const;

const deletions = tables.map((table) =>
  statement<{ run_id: string }, unknown>((value) => query.deleteFrom(table).where('run_id', '=', value('run_id'))),
);

const selectTree = statement<{ run_id: string }, Pick<RunRow, 'run_id'>>((value) =>
  query.selectFrom('runs').select('run_id').where('root_run_id', '=', value('run_id')),
);

/** Deletes every row of a run that has ended, and of everything below it; one that has not stays. */
export function* forgetRun(runId: string): Unit<void> {
  const row = yield* loadRun(runId);
  if (!row || !isOver(row)) return;
  for (const each of [...(yield* all(selectTree({ run_id: runId }))), row]) {
    yield* forgetPayloads(each.run_id);
    for (const deletion of deletions) yield* run(deletion({ run_id: each.run_id }));
  }
}
