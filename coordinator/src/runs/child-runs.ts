import { digest } from '@daca-mesh/protocol';
import { afterCommit, killPoint, type Unit } from '@daca-mesh/protocol/server';
import { setDeadline } from '../deadlines/deadlines.ts';
import type { RunRow } from '../store/schema.ts';
import type {
  ChildOutcome,
  ChildRequest,
  Failure,
  HandedUndos,
  OpenedChild,
  UndoRecord,
} from '../workflow-kit/contract.ts';
import { canceledFor, requestCancel } from './cancel-run.ts';
import { finishRun } from './finish-run.ts';
import { labelledUndos, undosOfMap } from './map-items.ts';
import { firstEvent, insertRun, isOver, loadRun, requireRun, rootOf, startOver } from './run-rows.ts';
import type { UnitDeps } from './unit-deps.ts';

/**
 * Children. Their rows are written by their parents, before the engine hears of them; the engine starts their instances
 * and tells the parent when one has ended. Whatever else there is to know about a child is in its row.
 */

/**
 * Opens a child. Where the parent was started over, so is the child, unless it has ended: then it is not started again.
 * The token follows from the parent's, and does not change when this is executed again.
 */
export function* openChild(deps: UnitDeps, parentId: string, child: ChildRequest): Unit<OpenedChild | ChildOutcome> {
  const parent = yield* requireRun(parentId);
  const known = yield* loadRun(child.childId);
  if (known && isOver(known)) return outcomeOf(known);
  if (isOver(parent)) return { status: 'canceled', failure: canceled('the run has ended'), undoable: false };
  const token = digest([parent.token, child.childId]);
  if (!known) yield* insertChild(deps, parent, child, token);
  else if (known.token !== token) yield* startOver(known.run_id, token);
  const below = yield* firstEvent(child.childId);
  yield* afterCommit(() => killPoint('child-opened'));
  // One that is known may have done something that a cancel must find.
  const fresh = !known && parent.canceling === 0;
  return { status: 'open', token, seen: { below, above: [] }, ...(fresh ? { fresh } : {}) };
}

function* insertChild({ signals }: UnitDeps, parent: RunRow, child: ChildRequest, token: string): Unit<void> {
  const { childId: runId, workflow, version, input, timeoutMs } = child;
  const { run_id: parent_run_id, suspended, canceling, caller } = parent;
  const path = parent.path === null ? child.path : `${parent.path}:${child.path}`;
  yield* insertRun(signals, {
    runId,
    workflow,
    version,
    caller,
    input,
    status: 'pending',
    token,
    child: { root_run_id: rootOf(parent), parent_run_id, path, suspended, canceling },
  });
  if (timeoutMs === undefined) return;
  yield* setDeadline(signals, { kind: 'child', ref: runId, run_id: runId, due_at: Date.now() + timeoutMs });
}

/** How a child whose instance has ended ended. One that did not say so was ended from outside. */
export function* childEnd(deps: UnitDeps, childId: string): Unit<ChildOutcome> {
  const row = yield* requireRun(childId);
  if (isOver(row)) return outcomeOf(row);
  const failure: Failure = {
    code: 'INTERNAL',
    message: `the instance of ${row.workflow} ended without finishing its run`,
    retryable: false,
    details: { childId },
  };
  yield* finishRun(deps, childId, { status: 'failed', failure, undone: [], notUndone: [] });
  return { status: 'failed', failure, undoable: false };
}

/** Cancels children. One that was never started has nobody who could end it. */
export function* cancelChildren(
  deps: UnitDeps,
  { children, reason }: { children: readonly { childId: string; started: boolean }[]; reason: string },
): Unit<void> {
  for (const { childId, started } of children) {
    const row = yield* loadRun(childId);
    if (!row || isOver(row)) continue;
    if (started) yield* requestCancel(deps.signals, row, { by: 'workflow', reason });
    else yield* finishRun(deps, childId, { status: 'canceled', reason, undone: [] });
  }
}

/** How much is given at a time: so many records, or so many characters. */
const maxRecords = 200;
const maxChars = 1024 * 1024;

/** A part of what a child, or the items of a map, handed back to be undone. */
export function* handedUndos(of: HandedUndos, from: number): Unit<{ undos: UndoRecord[]; next?: number }> {
  const all = 'childId' in of ? yield* undosOf(of.childId) : yield* undosOfMap(of.mapId);
  const undos: UndoRecord[] = [];
  let chars = 0;
  for (const record of all.slice(from, from + maxRecords)) {
    chars += JSON.stringify(record).length;
    if (undos.length > 0 && chars > maxChars) break;
    undos.push(record);
  }
  const next = from + undos.length;
  return { undos, ...(next < all.length ? { next } : {}) };
}

function* undosOf(childId: string): Unit<UndoRecord[]> {
  const row = yield* loadRun(childId);
  // One that could not even be opened (its input was too large) did nothing.
  return row ? labelledUndos(row.undos, `of child ${row.path}`) : [];
}

function outcomeOf(row: RunRow): ChildOutcome {
  const undoable = row.undos !== null;
  // Written by finishRun: an output, or a failure.
  if (row.status === 'completed') return { status: row.status, output: JSON.parse(row.output ?? 'null'), undoable };
  if (row.status === 'failed')
    return { status: row.status, failure: JSON.parse(row.error ?? 'null') as Failure, undoable };
  const reason = row.cancel_reason ?? 'the child was canceled';
  const failure = canceled(reason, row.canceling === canceledFor.timeLimit ? 'DEADLINE_EXCEEDED' : 'CANCELED');
  return { status: 'canceled', failure, undoable };
}

const canceled = (message: string, code: 'CANCELED' | 'DEADLINE_EXCEEDED' = 'CANCELED'): Failure => ({
  code,
  message,
  retryable: false,
  details: { canceled: 'child' },
});
