import { isMeshError, MeshError } from '@daca-mesh/protocol';
import { Branch } from './branch.ts';
import type { RunEnd } from './contract.ts';
import { toFailure } from './failure.ts';
import { invoke } from './invoke.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';
import { settleOpenWork } from './settle.ts';

/** How often a call or activity is tried while undoing. */
export const compensationAttempts = 10;

/** Ends a run that does not complete: settles what is open, undoes what was done, newest first, and tells the result. */
export async function* unwind(run: Run, root: Branch, error: unknown): Step<RunEnd> {
  const canceled = isRunCanceled(error);
  run.compensating = true;
  run.branch = new Branch('undo');
  yield* settleOpenWork(run, [root], 'unwind', canceled ? 'the run was canceled' : 'the run failed');
  const { undone, notUndone } = yield* compensate(run);
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

async function* compensate(run: Run): Step<{ undone: string[]; notUndone: string[] }> {
  const undone: string[] = [];
  const notUndone: string[] = [];
  const undos = run.undos.filter((undo) => !undo.skip);
  if (undos.length === 0) return { undone, notUndone };
  const steps = undos.map((undo) => undo.label).toReversed();
  yield* invoke(run, 'note', 'undo.start', { entry: { type: 'compensation-started', data: { steps } } });
  for (const [position, undo] of [...undos.entries()].toReversed()) {
    const branch = new Branch(`undo/${position}`);
    run.branch = branch;
    try {
      yield* undo.run(undo.result);
      undone.push(undo.label);
    } catch (error) {
      run.orchestration.warn('a compensation failed', { runId: run.runId, step: undo.label, err: error });
      notUndone.push(undo.label);
      yield* settleOpenWork(run, [branch], `undo/${position}`, 'its compensation failed');
    }
  }
  const data = { undone, notUndone };
  yield* invoke(run, 'note', 'undo.end', { entry: { type: 'compensation-completed', data } });
  return { undone, notUndone };
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
