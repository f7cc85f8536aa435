/**
 * Wake-ups within the process, sent after a commit. They carry no truth: whoever is woken reads the rows, and everyone
 * also looks by himself from time to time, so a lost wake-up costs a delay and nothing else.
 */
export class Signal<T = void> {
  readonly #listeners = new Set<(value: T) => void>();

  emit(value: T): void {
    for (const listener of this.#listeners) listener(value);
  }

  /** Calls the listener on every wake-up until the returned function is called. */
  listen(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Counts who watches which run right now. Where someone does, the calls of the run are followed by streams. */
class Followers {
  /** A run got its first follower, or lost its last one. */
  readonly changed = new Signal<string>();
  readonly #counts = new Map<string, number>();

  /** Counts a follower of a run until the returned function is called. */
  follow(runId: string): () => void {
    this.#change(runId, 1);
    let following = true;
    return () => {
      if (following) this.#change(runId, -1);
      following = false;
    };
  }

  /** Whether anyone watches anything. */
  get any(): boolean {
    return this.#counts.size > 0;
  }

  has(runId: string): boolean {
    return this.#counts.has(runId);
  }

  #change(runId: string, by: 1 | -1): void {
    const before = this.#counts.get(runId) ?? 0;
    const after = before + by;
    if (after === 0) this.#counts.delete(runId);
    else this.#counts.set(runId, after);
    if (before === 0 || after === 0) this.changed.emit(runId);
  }
}

export interface Signals {
  /** The outbox has a row that is due. */
  outbox: Signal;
  /** There is a deadline at this time. */
  deadlines: Signal<number>;
  /** A call became live or was abandoned, or an answer waits for the agent that asked. */
  calls: Signal;
  /** A run's timeline grew. */
  timeline: Signal<string>;
  /** What a run shows of itself may have changed: its status, its progress. */
  runs: Signal<string>;
  /** Who watches a run counts himself here. */
  followers: Followers;
}

export const createSignals = (): Signals => ({
  outbox: new Signal(),
  deadlines: new Signal(),
  calls: new Signal(),
  timeline: new Signal(),
  runs: new Signal(),
  followers: new Followers(),
});
