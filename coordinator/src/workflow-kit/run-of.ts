import type { Mesh } from './mesh.ts';
import type { Run } from './run.ts';

const runs = new WeakMap<Mesh, Run>();

/** Remembers the run behind what its workflow was given. */
export const bindRun = (mesh: Mesh, run: Run): void => void runs.set(mesh, run);

/** The run behind a workflow's `mesh`, for workflows of the kit itself. */
export function runOf(mesh: Mesh): Run {
  const run = runs.get(mesh);
  if (!run) throw new TypeError('this is not the mesh of a run');
  return run;
}
