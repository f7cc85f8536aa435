import type { Branch } from './branch.ts';
import type { ScheduledActivity } from './invoke.ts';
import type { Leaf, Step } from './orchestration.ts';
import type { Run } from './run.ts';
import type { Undo } from './undo-list.ts';

/** Something a run began whose end it does not know yet: it must be settled before the run can end. */
export type OpenWork = OpenCall | OpenQuestion | OpenWaiting | OpenChild | OpenItem;

/** An attempt of a call. */
export interface OpenCall {
  kind: 'call';
  branch: Branch;
  callId: string;
  attempt: number;
  /** The `send` that is or was under way. */
  activity: ScheduledActivity<'send'> | undefined;
  undo: Undo | undefined;
}

/** A question in the inbox. */
export interface OpenQuestion {
  kind: 'question';
  branch: Branch;
  questionId: string;
  activity: ScheduledActivity<'ask'> | undefined;
}

/** A wait for a user-named event. */
export interface OpenWaiting {
  kind: 'wait';
  branch: Branch;
  waitId: string;
  activity: ScheduledActivity<'wait'> | undefined;
}

/** A child workflow. */
export interface OpenChild {
  kind: 'child';
  branch: Branch;
  childId: string;
  activity: ScheduledActivity<'openChild'> | undefined;
  /** Completes with the child's instance; undefined while none was asked for. */
  instance: Leaf | undefined;
}

/** An item of a map that is being settled: until that is stored, the lane has its undo list. */
export interface OpenItem {
  kind: 'item';
  branch: Branch;
  activity: ScheduledActivity<'nextItem'> | undefined;
}

/** Runs a step whose work is open meanwhile. Where the branch is aborted it stays open: whoever aborts settles it. */
export async function* whileOpen<T>(run: Run, work: OpenWork, step: Step<T>): Step<T> {
  run.open.add(work);
  let aborted = false;
  try {
    return yield* step;
  } catch (error) {
    aborted = work.branch.refusal !== undefined;
    throw error;
  } finally {
    if (!aborted) run.open.delete(work);
  }
}
