import type { WorkflowStatus } from '../gen/durable_task_pb.ts';
import type { TaskRef } from '../store/tasks.ts';

/**
 * One unit of work while it writes: its time, and notes of where there is something to do once it is committed.
 * The notes only save a search. Whatever they name can be found from the rows alone, and is, after a restart.
 */
export class Unit {
  readonly now: number;
  /** Ids of instances whose inbox got a row. */
  readonly wokenInstances = new Set<string>();
  readonly newTasks: TaskRef[] = [];
  readonly statuses: { readonly id: string; readonly status: WorkflowStatus }[] = [];
  earliestTimer = Number.POSITIVE_INFINITY;

  constructor(now: number) {
    this.now = now;
  }

  timerSet(fireAtMs: number): void {
    this.earliestTimer = Math.min(this.earliestTimer, fireAtMs);
  }

  statusChanged(id: string, status: WorkflowStatus): void {
    this.statuses.push({ id, status });
  }
}
