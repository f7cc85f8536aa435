import { MeshError } from '@daca-mesh/protocol';

/** A step, as it was recorded or as the code makes it now. */
export interface NamedStep {
  /** Where it stands: `3`, or `1/0/2` in a branch. */
  place: string;
  /** What it does: `call extract-keywords`. */
  what: string;
}

/** How to get out of it. */
const advice = "the workflow's code was changed, or is not deterministic: give changed code a new version";

/** The code does not make the step that was recorded. `made` is undefined where it makes none. */
export function nonDeterminism(recorded: NamedStep, made: NamedStep | undefined): MeshError {
  return new MeshError('NON_DETERMINISM', `${describeMismatch(recorded, made)} (${advice})`, {
    details: { recorded, ...(made ? { made } : {}) },
  });
}

/** The same without advice. */
export function describeMismatch(recorded: NamedStep, made: NamedStep | undefined): string {
  const was = `step ${recorded.place} was ${recorded.what}`;
  if (!made) return `${was}, the code now makes no such step`;
  if (made.place !== recorded.place) return `${was}, the code now makes step ${made.place}, ${made.what}, instead`;
  if (made.what === recorded.what) return `${was}, the code now gives it another input`;
  return `${was}, the code now makes ${made.what}`;
}
