import { run, type Unit } from '@daca-mesh/protocol/server';
import { raiseEvent } from '../outbox/raise.ts';
import { query, type RunRow } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import { appendTimeline } from '../store/timeline.ts';
import { eventNames } from '../workflow-kit/contract.ts';
import { isChild, isOver, loadRun, openDescendants } from './run-rows.ts';

/** Why a run is canceled, as `RunRow.canceling` holds it. */
export const canceledFor = { request: 1, timeLimit: 2 } as const;

/** Who cancels a run, and why. */
export interface CancelCause {
  by: string;
  reason?: string;
  /** By default on request. */
  cause?: (typeof canceledFor)[keyof typeof canceledFor];
}

/**
 * Flags a run as canceling and tells its workflow. With a root goes everything below it, so that nothing in the tree
 * sends any more; below a child its own workflow sees to that. Asked again, nothing more happens.
 */
export function* requestCancel(signals: Signals, row: RunRow, why: CancelCause): Unit<boolean> {
  const { cause = canceledFor.request, ...data } = why;
  const flagged = yield* run(
    query
      .updateTable('runs')
      .set({ canceling: cause, cancel_reason: why.reason ?? null })
      .where('run_id', '=', row.run_id)
      .where('canceling', '=', 0)
      .compile(),
  );
  if (flagged === 0) return false;
  // Of a child its end is told, with the reason.
  if (!isChild(row)) yield* appendTimeline(signals, row.run_id, { type: 'cancel-requested', data });
  yield* raiseEvent(signals, row.run_id, eventNames.cancel, { reason: why.reason ?? `canceled by ${why.by}` });
  for (const below of yield* openDescendants(row.run_id)) yield* requestCancel(signals, below, why);
  return true;
}

/** Cancels a child whose time is up. */
export function* limitChild(signals: Signals, childId: string): Unit<void> {
  const row = yield* loadRun(childId);
  if (!row || isOver(row)) return;
  const reason = 'the child did not end in time';
  yield* requestCancel(signals, row, { by: 'coordinator', reason, cause: canceledFor.timeLimit });
}
