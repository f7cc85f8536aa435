/**
 * How long one suspect may keep all others waiting. A turn replays its workflow and does nothing else, which takes
 * milliseconds; code that ends the process does so about as fast. What takes this long rather hangs than kills.
 */
export const ISOLATED_TURN_MS = 10_000;

/** How long all suspects together may: a hundred that hang must not stop everybody else for a hundred times as long. */
export const ISOLATION_MS = 60_000;

/**
 * Turns that are to be the only work that is out, one after the other, for a limited time: what counts is only how long
 * they are out, not how long they wait for a worker.
 */
export class Isolation {
  readonly #suspects: string[] = [];
  readonly #onTooLong: (instanceId: string) => void;
  #leftMs = ISOLATION_MS;
  #outSince: number | undefined;
  #timeout: NodeJS.Timeout | undefined;

  /** `onTooLong` is told whose time is over; from then on others may go on beside it. */
  constructor(onTooLong: (instanceId: string) => void) {
    this.#onTooLong = onTooLong;
  }

  add(instanceIds: readonly string[]): void {
    this.#suspects.push(...instanceIds);
  }

  /** Whose turn it is; undefined if there is no suspect (any more). */
  get current(): string | undefined {
    return this.#suspects[0];
  }

  /** A turn is handed out. */
  begin(instanceId: string): void {
    if (this.current !== instanceId) return;
    this.#outSince = performance.now();
    const waitMs = Math.min(ISOLATED_TURN_MS, this.#leftMs);
    this.#timeout = setTimeout(() => this.#tooLong(instanceId), waitMs).unref();
  }

  /** A turn lost its worker. */
  pause(instanceId: string): void {
    if (this.current === instanceId) this.#stopClock();
  }

  /** A turn is over, or does not come about. Whether somebody else may go on because of that. */
  end(instanceId: string): boolean {
    if (this.current !== instanceId) return false;
    this.#stopClock();
    this.#suspects.shift();
    return true;
  }

  #tooLong(instanceId: string): void {
    this.#stopClock();
    this.#suspects.shift();
    if (this.#leftMs <= 0) this.#suspects.length = 0;
    this.#onTooLong(instanceId);
  }

  #stopClock(): void {
    clearTimeout(this.#timeout);
    if (this.#outSince !== undefined) this.#leftMs -= performance.now() - this.#outSince;
    this.#outSince = undefined;
  }
}
