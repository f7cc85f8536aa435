/** A longer delay overflows Node's timers. */
const maxTimerMs = 2 ** 31 - 1;

/** What a {@link DeadlineTimer} needs. */
export interface DeadlineTimerOptions {
  now: () => number;
  /** Ends what is overdue. @returns the next deadline, if any. */
  expire: () => Promise<number | undefined>;
  onError: (error: unknown) => void;
}

/** One timer for the earliest stored deadline. The rows are the truth: a restart reads them again. */
export class DeadlineTimer {
  readonly #options: DeadlineTimerOptions;
  #timer: NodeJS.Timeout | undefined;
  #nextAtMs = Number.POSITIVE_INFINITY;
  #isStopped = false;

  constructor(options: DeadlineTimerOptions) {
    this.#options = options;
  }

  /** Says that a deadline was stored. */
  consider(atMs: number): void {
    if (this.#isStopped || atMs >= this.#nextAtMs) return;
    this.#nextAtMs = atMs;
    clearTimeout(this.#timer);
    const delayMs = Math.min(Math.max(atMs - this.#options.now(), 0), maxTimerMs);
    this.#timer = setTimeout(() => void this.fire(), delayMs);
  }

  /** Ends what is overdue now and waits for the next. */
  async fire(): Promise<void> {
    this.#nextAtMs = Number.POSITIVE_INFINITY;
    try {
      const nextAtMs = await this.#options.expire();
      if (nextAtMs !== undefined) this.consider(nextAtMs);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
