/** What a {@link WakeLoop} does. Times in milliseconds. */
export interface WakeLoopOptions {
  /** Does what there is to do; returns after how long it shall run again without being woken. */
  pass: () => Promise<number>;
  /** Told of each pass that failed, with how many failed in a row. */
  onFailure: (error: unknown, failures: number) => void;
  /** The first pause after a failure, doubled up to `maxBackoffMs`; being woken does not shorten it. */
  backoffMs: number;
  maxBackoffMs: number;
}

/** Work on rows: one pass at a time, at once when woken, from time to time by itself, with pauses while it fails. */
export class WakeLoop {
  readonly #options: WakeLoopOptions;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #failures = 0;
  #pausedUntil = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WakeLoopOptions) {
    this.#options = options;
  }

  get closed(): boolean {
    return this.#closed;
  }

  wake(): void {
    if (this.#closed) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    const pauseMs = this.#pausedUntil - Date.now();
    if (pauseMs > 0) {
      this.#sleep(pauseMs);
      return;
    }
    this.#running = this.#pass().finally(() => {
      this.#running = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.wake();
    });
  }

  /** Lets the pass that runs come to its end. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #pass(): Promise<void> {
    try {
      const idleMs = await this.#options.pass();
      this.#failures = 0;
      this.#sleep(idleMs);
    } catch (error) {
      if (this.#closed) return;
      const { backoffMs, maxBackoffMs, onFailure } = this.#options;
      const pauseMs = Math.min(backoffMs * 2 ** Math.min(this.#failures, 20), maxBackoffMs);
      this.#failures += 1;
      onFailure(error, this.#failures);
      this.#pausedUntil = Date.now() + pauseMs;
      this.#sleep(pauseMs);
    }
  }

  #sleep(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.wake(), ms);
    this.#timer.unref();
  }
}
