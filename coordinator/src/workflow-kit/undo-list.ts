import type { Step } from './orchestration.ts';

/** Something to be undone if the run does not complete. Registered before the work itself is begun. */
export interface Undo {
  /** What is undone, for people: `set-post-status at 4`. */
  label: string;
  /** Known not to have happened: nothing to undo. */
  skip: boolean;
  /** The result of the work; undefined where it was not done, or where that is unknown. */
  result: unknown;
  run(result: unknown): Step<unknown>;
}
