import type { WorkflowStatus } from '../gen/durable_task_pb.ts';

interface Waiter {
  isOver(status: WorkflowStatus): boolean;
  resolve(): void;
  reject(error: Error): void;
}

/** Requests that wait for an instance to reach some status. They are gone with their caller, so memory is their place. */
export class Waiters {
  readonly #byId = new Map<string, Set<Waiter>>();
  #closed: Error | undefined;

  /** Resolves when a commit gives the instance a status that `isOver` accepts; `signal` ends the wait quietly. */
  wait(id: string, isOver: (status: WorkflowStatus) => boolean, signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (this.#closed !== undefined) {
        reject(this.#closed);
        return;
      }
      // Nobody is told of an abort that has been.
      if (signal.aborted) {
        resolve();
        return;
      }
      const waiter: Waiter = { isOver, resolve, reject };
      const waiters = this.#byId.get(id) ?? new Set();
      this.#byId.set(id, waiters.add(waiter));
      signal.addEventListener('abort', () => {
        this.#remove(id, waiter);
        resolve();
      });
    });
  }

  /** How many requests wait: for tests that look for leaks. */
  get size(): number {
    let size = 0;
    for (const waiters of this.#byId.values()) size += waiters.size;
    return size;
  }

  notify(id: string, status: WorkflowStatus): void {
    for (const waiter of this.#byId.get(id) ?? []) {
      if (!waiter.isOver(status)) continue;
      this.#remove(id, waiter);
      waiter.resolve();
    }
  }

  /** Ends all waits, and every later one at once. */
  close(error: Error): void {
    this.#closed = error;
    for (const waiters of this.#byId.values()) for (const waiter of waiters) waiter.reject(error);
    this.#byId.clear();
  }

  #remove(id: string, waiter: Waiter): void {
    const waiters = this.#byId.get(id);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#byId.delete(id);
  }
}
