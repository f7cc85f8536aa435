import { run, statement, type Unit } from '@daca-mesh/protocol/server';
import { query, type RunRow } from '../store/schema.ts';
import { runRetentionMs } from './forget-run.ts';

/**
 * A run without an end begins one generation after another, and each leaves rows behind. What is settled and older than
 * the retention is forgotten then, as it would be had the run ended.
 */

type Age = { run_id: string; before: number };

const deletions = [
  statement<Age, unknown>((value) =>
    query
      .deleteFrom('calls')
      .where('run_id', '=', value('run_id'))
      .where('state', '=', 'settled')
      .where('settled_at', '<', value('before')),
  ),
  statement<Age, unknown>((value) =>
    query
      .deleteFrom('questions')
      .where('run_id', '=', value('run_id'))
      .where('status', '<>', 'open')
      .where('closed_at', '<', value('before')),
  ),
  statement<Age, unknown>((value) =>
    query
      .deleteFrom('waits')
      .where('run_id', '=', value('run_id'))
      .where('status', '<>', 'open')
      .where('created_at', '<', value('before')),
  ),
  statement<Age, unknown>((value) =>
    query
      .deleteFrom('received_events')
      .where('run_id', '=', value('run_id'))
      .where('consumed_by', 'is not', null)
      .where('received_at', '<', value('before')),
  ),
  statement<Age, unknown>((value) =>
    query
      .deleteFrom('outbox')
      .where('run_id', '=', value('run_id'))
      .where('state', '=', 'done')
      .where('next_at', '<', value('before')),
  ),
  // Entries are in order of time, so the first young one ends the search.
  statement<Age, unknown>((value) =>
    query
      .deleteFrom('timeline')
      .where('run_id', '=', value('run_id'))
      .where('seq', '<', (eb) =>
        eb
          .selectFrom('timeline as young')
          .select('young.seq')
          .where('young.run_id', '=', value('run_id'))
          .where('young.at', '>=', value('before'))
          .orderBy('young.seq')
          .limit(1),
      ),
  ),
];

/** Forgets what a run did longer ago than the retention. A run that is younger costs nothing. */
export function* forgetPast({ run_id, created_at }: Pick<RunRow, 'run_id' | 'created_at'>): Unit<void> {
  const before = Date.now() - runRetentionMs;
  if (created_at >= before) return;
  for (const deletion of deletions) yield* run(deletion({ run_id, before }));
}
