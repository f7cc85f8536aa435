import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { WorkflowStatus } from '../gen/durable_task_pb.ts';
import type { Step } from '../kill-point.ts';
import type { TaskRef } from '../store/tasks.ts';
import type { EventClock } from './event-clock.ts';

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
  /** Instances that get no more turns by themselves, and why. */
  readonly stalls: { readonly id: string; readonly reason: string }[] = [];
  /** What the unit did, if somebody listens for kill points. */
  readonly steps: Step[] | undefined;
  earliestTimer = Number.POSITIVE_INFINITY;
  readonly #eventClock: EventClock;

  constructor(now: number, eventClock: EventClock, steps?: Step[]) {
    this.now = now;
    this.steps = steps;
    this.#eventClock = eventClock;
  }

  /** For an external event: no two of them have the same. */
  eventTime(): Timestamp {
    return this.#eventClock.next(this.now);
  }

  timerSet(fireAtMs: number): void {
    this.earliestTimer = Math.min(this.earliestTimer, fireAtMs);
  }

  statusChanged(id: string, status: WorkflowStatus): void {
    this.statuses.push({ id, status });
  }
}
