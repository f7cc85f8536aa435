import type { TaskState } from '@a2a-js/sdk';
import { isInterrupted, isTerminal } from '../../task-states.ts';

/**
 * Tells those who wait inside this process that a task has changed. Carries no data that matters: whoever is woken
 * reads the store, so a signal that is lost, doubled or late changes nothing but the time.
 */
export class TaskSignals {
  readonly #listeners = new Map<string, Set<(state: TaskState) => void>>();

  /** To be called after the commit. */
  notify(taskId: string, state: TaskState): void {
    for (const listener of this.#listeners.get(taskId) ?? []) listener(state);
  }

  /** @returns A function that ends the subscription. */
  subscribe(taskId: string, listener: (state: TaskState) => void): () => void {
    const listeners = this.#listeners.get(taskId) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(taskId, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(taskId);
    };
  }

  /**
   * Waits until a task is terminal or waits for its caller, for at most `timeoutMs`, or until the signal aborts.
   * @param readState Called after the subscription stands, so that no change falls in between.
   */
  async settled(
    taskId: string,
    readState: () => Promise<TaskState>,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const settle = (): void => resolve();
    const unsubscribe = this.subscribe(taskId, (state) => {
      if (isSettled(state)) resolve();
    });
    const timer = setTimeout(settle, timeoutMs);
    signal.addEventListener('abort', settle);
    try {
      if (signal.aborted || isSettled(await readState())) return;
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', settle);
      unsubscribe();
    }
  }
}

const isSettled = (state: TaskState): boolean => isTerminal(state) || isInterrupted(state);
