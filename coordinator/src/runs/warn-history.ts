import { first, type Unit } from '@daca-mesh/protocol/server';
import { query } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import { appendTimeline } from '../store/timeline.ts';
import { isOver, loadRun } from './run-rows.ts';

/**
 * Warns people once per generation that the history of a run has become long: every turn replays all of it.
 * @returns whether it is news.
 */
export function* warnOfHistory(signals: Signals, runId: string, events: number): Unit<boolean> {
  const row = yield* loadRun(runId);
  if (!row || isOver(row)) return false;
  const code = `LONG_HISTORY/${row.generation}`;
  const earlier = yield* first(
    query
      .selectFrom('timeline')
      .select('seq')
      .where('run_id', '=', runId)
      .where('type', '=', 'warning')
      .where('data', 'like', `%"code":"${code}"%`)
      .limit(1)
      .compile(),
  );
  if (earlier) return false;
  const message =
    `its history has ${events} events, which every turn replays: ` +
    'let the workflow begin a new generation now and then (mesh.continueAsNew), or give its parts to children';
  yield* appendTimeline(signals, runId, { type: 'warning', data: { code, message, events } });
  return true;
}
