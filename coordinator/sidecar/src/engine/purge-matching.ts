import { isTerminal, type CreationFilter, type Instance } from '../store/instances.ts';
import type { Engine } from './engine.ts';
import { WorkflowError } from './workflow-error.ts';

/** Instances per commit: other work gets its turn between two of them. */
const BATCH = 200;

/** Deletes what was created within the filter, in its order; the number of instances deleted. */
export async function purgeMatching(
  engine: Engine,
  filter: CreationFilter,
  options: { recursive: boolean; force: boolean },
): Promise<number> {
  const { instances } = engine.store;
  let purged = 0;
  let after: Instance | undefined;
  for (;;) {
    const page = instances.created(filter, after, BATCH);
    after = page.at(-1);
    if (after === undefined) return purged;
    purged += await engine.commit(() => {
      let count = 0;
      for (const { id, run } of page) {
        const instance = instances.byRun(run);
        // Gone with its parent, or not over yet.
        if (instance === undefined || !(options.force || isTerminal(instance.status))) continue;
        count += purgeIfEnded(engine, id, options);
      }
      return count;
    });
  }
}

function purgeIfEnded(engine: Engine, id: string, options: { recursive: boolean; force: boolean }): number {
  try {
    return engine.lifecycle.purge(id, options);
  } catch (error) {
    // A child that is still active keeps its parent.
    if (error instanceof WorkflowError && error.code === 'NOT_COMPLETED') return 0;
    throw error;
  }
}
