import type { Store } from '../store/store.ts';
import type { TaskRef } from '../store/tasks.ts';
import type { Worker } from './worker.ts';

interface OpenActivity {
  readonly task: TaskRef;
  /** Undefined once it was answered: then its result is being committed. */
  worker: Worker | undefined;
  /** Tasks of the same instance id and number: of a later generation, or of a recreated instance. */
  readonly waiting: TaskRef[];
}

/**
 * Which activities want a worker, and which have one. A cache: the task rows are what counts.
 *
 * Answers name an activity by instance id and task number, which a later generation uses again. Therefore at most one of
 * that name is out at a time; otherwise a late answer of the old one would pass for the result of the new one.
 */
export class ActivityQueue {
  readonly #store: Store;
  readonly #ready = new Map<number, TaskRef>();
  readonly #open = new Map<string, OpenActivity>();
  readonly #wake: () => void;

  constructor(store: Store, wake: () => void) {
    this.#store = store;
    this.#wake = wake;
  }

  get isEmpty(): boolean {
    return this.#ready.size === 0;
  }

  add(task: TaskRef): void {
    this.#ready.set(task.id, task);
  }

  /** Forgets what is ready (not what is out), then finds it again in the rows. */
  rescan(): void {
    this.#ready.clear();
    for (const open of this.#open.values()) open.waiting.length = 0;
    for (const task of this.#store.tasks.all()) {
      const open = this.#open.get(nameOf(task));
      if (open?.task.id !== task.id || open.task.run !== task.run) this.#ready.set(task.id, task);
    }
  }

  /** The next work item for this worker, which is now responsible for it. */
  next(worker: Worker): Uint8Array | undefined {
    for (const task of this.#ready.values()) {
      this.#ready.delete(task.id);
      const open = this.#open.get(nameOf(task));
      if (open !== undefined) {
        open.waiting.push(task);
        continue;
      }
      const workItem = this.#store.tasks.workItem(task);
      if (workItem === undefined) continue;
      this.#open.set(nameOf(task), { task, worker, waiting: [] });
      worker.activitySent();
      return workItem;
    }
    return undefined;
  }

  /** The task this answer is for, now the caller's to commit and to close; undefined if it is not out (any more). */
  answered(instanceId: string, taskId: number): TaskRef | undefined {
    const open = this.#open.get(nameOf({ instanceId, taskId }));
    if (open?.worker === undefined) return undefined;
    open.worker.activityAnswered();
    open.worker = undefined;
    return open.task;
  }

  /** The result is committed: another task of that name may go out. */
  close(task: TaskRef): void {
    const open = this.#open.get(nameOf(task));
    if (open === undefined) return;
    this.#open.delete(nameOf(task));
    if (open.waiting.length === 0) return;
    for (const waiting of open.waiting) this.add(waiting);
    this.#wake();
  }

  workerLost(worker: Worker): void {
    for (const [name, open] of this.#open) {
      if (open.worker !== worker) continue;
      this.#open.delete(name);
      this.add(open.task);
      for (const task of open.waiting) this.add(task);
    }
  }
}

function nameOf(task: Pick<TaskRef, 'instanceId' | 'taskId'>): string {
  return `${task.taskId}/${task.instanceId}`;
}
