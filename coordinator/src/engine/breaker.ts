import { isMeshError, MeshError } from '@daca-mesh/protocol';

const firstPauseMs = 250;
const maxPauseMs = 5_000;

/**
 * Keeps requests away from an engine that cannot serve them, since each would take seconds to say so (daprd: 5 s for an
 * event, no end for a start). After a request that failed for want of the engine all are refused at once for a while;
 * then a single one is let through, and its outcome decides for all.
 */
export class Breaker {
  readonly #onRecovery: () => void;
  readonly #now: () => number;
  #failures = 0;
  #closedFrom = 0;
  #isProbing = false;
  /** Counts the changes, so that what was asked before the last one does not count as the answer to a probe. */
  #epoch = 0;

  /** `onRecovery` is called when requests pass again after some were refused. */
  constructor(onRecovery: () => void, now: () => number = Date.now) {
    this.#onRecovery = onRecovery;
    this.#now = now;
  }

  async run<T>(request: () => Promise<T>): Promise<T> {
    if (this.#failures > 0) {
      if (this.#isProbing || this.#now() < this.#closedFrom) throw engineAway();
      this.#isProbing = true;
    }
    const epoch = this.#epoch;
    try {
      const answer = await request();
      this.#pass();
      return answer;
    } catch (error) {
      if (!isMeshError(error) || error.code !== 'UNAVAILABLE') this.#pass();
      else if (epoch === this.#epoch) this.#fail();
      throw error;
    }
  }

  /** There is another connection: whatever was known of the engine counts no more. */
  reset(): void {
    this.#epoch++;
    this.#failures = 0;
    this.#isProbing = false;
  }

  #fail(): void {
    this.#epoch++;
    this.#isProbing = false;
    this.#closedFrom = this.#now() + Math.min(firstPauseMs * 2 ** this.#failures++, maxPauseMs);
  }

  #pass(): void {
    if (this.#failures === 0) return;
    this.reset();
    this.#onRecovery();
  }
}

/** What a request is told that is not made, because the engine is known to be away. */
export const engineAway = (): MeshError =>
  new MeshError('UNAVAILABLE', 'the workflow engine is away', { retryable: true });
