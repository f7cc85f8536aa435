import { isMeshError } from '@daca-mesh/protocol';
import type { Branch } from './branch.ts';
import type { Failure, HandedUndos, UndoData, UndoRecord } from './contract.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';

/** How often a call or activity is tried while undoing. */
export const compensationAttempts = 10;

/** Something to be undone if the run does not complete. Registered before the work itself is begun. */
export interface Undo {
  branch: Branch;
  /** What is undone, for people: `set-post-status at 4`. */
  label: string;
  /** Known not to have happened: nothing to undo. */
  skip: boolean;
  /** The result of the work; undefined where it was not done, or where that is unknown. */
  result: unknown;
  /** When the work was done, as far as that is known. */
  at?: number;
  /** The work was done by others, who keep the list of what undoes it; it takes the place of `action`. */
  handed?: HandedUndos | undefined;
  /** What undoes the work, given its result; undefined where nothing is to be undone then. */
  action(result: unknown): UndoAction | undefined;
}

/** As data, or as code of the workflow, which can only be executed by the run that made it; it is told what ended the run. */
export type UndoAction = UndoData | ((failure: Failure) => Step<unknown>);

/** What is to be undone of a child, as its parent gets it. */
export function handOver(run: Run): UndoRecord[] {
  const now = run.orchestration.now().getTime();
  const records = run.undos.flatMap((undo): UndoRecord[] => {
    if (undo.skip) return [];
    const data = undo.handed ?? dataOf(undo);
    return data ? [{ label: undo.label, at: undo.at ?? now, ...data }] : [];
  });
  try {
    run.payloads.requireFitting(records);
    return records;
  } catch {
    // That it stays undone must be told, whatever does not fit.
    const problem = 'what undoes it is too large';
    return records.map(({ label, at }) => ({ label, at, problem }));
  }
}

function dataOf(undo: Undo): UndoData | undefined {
  try {
    const action = undo.action(undo.result);
    // `compensate` takes no code from a child.
    return typeof action === 'function' ? { problem: 'it is code of the child' } : action;
  } catch (error) {
    // A mistake in the workflow's code must not hide that something stays undone.
    return { problem: isMeshError(error) ? error.message : 'the workflow could not say how' };
  }
}
