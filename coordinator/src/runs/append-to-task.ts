import { isMeshError } from '@daca-mesh/protocol';
import type { TaskChange, Unit } from '@daca-mesh/protocol/server';
import type { UnitDeps } from './unit-deps.ts';

/**
 * Shows a change on the task of a run. Where the task ended by other means (its retention, a repaired store), what
 * happens to the run counts all the same.
 */
export function* appendToTask(core: Pick<UnitDeps['core'], 'append'>, runId: string, change: TaskChange): Unit<void> {
  try {
    yield* core.append(runId, change);
  } catch (error) {
    if (!isMeshError(error) || (error.code !== 'TASK_TERMINAL' && error.code !== 'TASK_NOT_FOUND')) throw error;
  }
}
