import { isMeshError, MeshError } from '@daca-mesh/protocol';
import type { ActivityOutput } from './activity-message.ts';
import { Branch } from './branch.ts';
import { call } from './call.ts';
import type { Failure, HandedUndos, RunEnd, UndoRecord } from './contract.ts';
import { toFailure } from './failure.ts';
import { invoke } from './invoke.ts';
import { localActivity } from './local-activity.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';
import { settleOpenWork } from './settle.ts';
import type { UndoAction } from './undo-list.ts';

/**
 * Ends a run that does not complete: settles what is open, undoes what was done, newest first, and tells the result. A
 * child undoes nothing: its list goes to its parent with its end, so that one run undoes everything, once and in order.
 */
export async function* unwind(run: Run, root: Branch, error: unknown): Step<RunEnd> {
  const canceled = isRunCanceled(error);
  run.compensating = true;
  run.branch = new Branch('undo');
  yield* settleOpenWork(run, [root], 'unwind', canceled ? 'the run was canceled' : 'the run failed');
  const { undone, notUndone } =
    run.root === undefined ? yield* compensate(run, toFailure(error)) : { undone: [], notUndone: [] };
  if (notUndone.length > 0) {
    const failure = toFailure(
      new MeshError('COMPENSATION_FAILED', `could not undo: ${notUndone.join(', ')}`, {
        details: { undone, notUndone, cause: toFailure(error) },
      }),
    );
    return { status: 'failed', failure, undone, notUndone };
  }
  if (canceled) return { status: 'canceled', ...reasonOf(error), undone };
  return { status: 'failed', failure: toFailure(error), undone, notUndone };
}

/** One thing to be undone. */
interface Compensation {
  label: string;
  /** What to do, if anything. May throw. */
  action: () => UndoAction | undefined;
}

async function* compensate(run: Run, failure: Failure): Step<{ undone: string[]; notUndone: string[] }> {
  const undone: string[] = [];
  const notUndone: string[] = [];
  const compensations = yield* listCompensations(run);
  if (compensations.length === 0) return { undone, notUndone };
  const steps = compensations.map(({ label }) => label).toReversed();
  yield* invoke(run, 'note', 'undo.start', { entry: { type: 'compensation-started', data: { steps } } });
  for (const [position, { label, action }] of [...compensations.entries()].toReversed()) {
    const branch = new Branch(`undo/${position}`);
    run.branch = branch;
    try {
      yield* act(run, action(), failure);
      undone.push(label);
    } catch (error) {
      run.orchestration.warn('a compensation failed', { runId: run.runId, step: label, err: error });
      notUndone.push(label);
      yield* settleOpenWork(run, [branch], `undo/${position}`, 'its compensation failed');
    }
  }
  const data = { undone, notUndone };
  yield* invoke(run, 'note', 'undo.end', { entry: { type: 'compensation-completed', data } });
  return { undone, notUndone };
}

/** Everything that is to be undone, oldest first; what children did stands where they stood in the list. */
async function* listCompensations(run: Run): Step<Compensation[]> {
  const compensations: Compensation[] = [];
  for (const undo of run.undos) {
    if (undo.skip) continue;
    if (undo.handed) compensations.push(...(yield* handedCompensations(run, undo.label, undo.handed)));
    else compensations.push({ label: undo.label, action: () => undo.action(undo.result) });
  }
  return compensations;
}

async function* handedCompensations(run: Run, label: string, of: HandedUndos): Step<Compensation[]> {
  const compensations: Compensation[] = [];
  const id = 'childId' in of ? of.childId : of.mapId;
  try {
    for (let from: number | undefined = 0; from !== undefined;) {
      const key = `undo.of-${id}-${from}`;
      const part: ActivityOutput<'handedUndos'> = yield* invoke(run, 'handedUndos', key, { of, from });
      for (const record of part.undos) compensations.push(...(yield* recordedCompensations(run, record)));
      from = part.next;
    }
  } catch (error) {
    // The other lists must not suffer; that this one is not known is told by its place.
    compensations.push({
      label,
      action: () => {
        throw error;
      },
    });
  }
  return compensations;
}

async function* recordedCompensations(run: Run, { label, at: _at, ...data }: UndoRecord): Step<Compensation[]> {
  if ('childId' in data || 'mapId' in data) return yield* handedCompensations(run, label, data);
  return [{ label, action: () => data }];
}

async function* act(run: Run, action: UndoAction | undefined, failure: Failure): Step<void> {
  if (action === undefined) return;
  if (typeof action === 'function') yield* action(failure);
  else if ('call' in action) yield* call(run, action.call.target, action.call.input, {});
  else if ('activity' in action) yield* localActivity(run, action.activity.name, action.activity.input, {});
  // A list in the list was taken apart before.
  else throw new TypeError('problem' in action ? action.problem : 'not to be undone by itself');
}

/** What a run is aborted with when it is canceled. */
export const runCanceled = (reason: string | undefined): MeshError =>
  new MeshError('CANCELED', reason ?? 'the run was canceled', {
    details: { canceled: 'run', ...(reason === undefined ? {} : { reason }) },
  });

function isRunCanceled(error: unknown): error is MeshError {
  return isMeshError(error) && error.code === 'CANCELED' && error.details?.['canceled'] === 'run';
}

function reasonOf(error: MeshError): { reason?: string } {
  const reason = error.details?.['reason'];
  return typeof reason === 'string' ? { reason } : {};
}
