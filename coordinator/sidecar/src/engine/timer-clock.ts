import { EventKind } from './history-events.ts';
import type { Store } from '../store/store.ts';
import type { Unit } from './unit.ts';

/** Also the longest time a step of the wall clock goes unnoticed, and far below what setTimeout can count to. */
const MAX_SLEEP_MS = 30_000;
const MAX_BATCH = 500;

/** Moves due timers to the inbox. Holds one timeout for the earliest; all others are only rows. */
export class TimerClock {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #commit: (work: (unit: Unit) => number) => Promise<number>;
  #timeout: NodeJS.Timeout | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #firing = false;
  #stopped = false;

  constructor(store: Store, now: () => number, commit: (work: (unit: Unit) => number) => Promise<number>) {
    this.#store = store;
    this.#now = now;
    this.#commit = commit;
  }

  /** A timer was set for this time. */
  noticeTimer(fireAtMs: number): void {
    if (fireAtMs < this.#wakeAt) this.#sleepUntil(fireAtMs);
  }

  /** Looks at the rows: at the start, and whenever the earliest known time has come. */
  async fireDue(): Promise<void> {
    if (this.#firing || this.#stopped) return;
    this.#firing = true;
    try {
      let fired: number;
      do {
        fired = await this.#commit((unit) => this.#moveDue(unit));
      } while (fired === MAX_BATCH);
    } finally {
      this.#firing = false;
    }
    if (!this.#stopped) this.#sleepUntil(this.#store.timers.earliest() ?? Number.POSITIVE_INFINITY);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timeout);
  }

  #moveDue(unit: Unit): number {
    const { timers, inbox, instances } = this.#store;
    const due = timers.takeDue(this.#now(), MAX_BATCH);
    if (due.length > 0) unit.steps?.push('timer-fire');
    for (const { run, event } of due) {
      if (event === null) instances.release(run);
      else inbox.add(run, { kind: EventKind.timerFired, bytes: event });
      const instance = instances.byRun(run);
      if (instance !== undefined) unit.wokenInstances.add(instance.id);
    }
    return due.length;
  }

  #sleepUntil(wakeAt: number): void {
    clearTimeout(this.#timeout);
    this.#wakeAt = wakeAt;
    if (wakeAt === Number.POSITIVE_INFINITY || this.#stopped) return;
    const sleepMs = Math.min(Math.max(wakeAt - this.#now(), 0), MAX_SLEEP_MS);
    this.#timeout = setTimeout(() => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      // A failed commit has stopped the whole engine and told its owner already.
      this.fireDue().catch(() => {});
    }, sleepMs).unref();
  }
}
