import type { SeenEvents } from './contract.ts';

/** Remembers which numbered events of a run were seen: the mark below which all were, and the few above it. */
export class EventNumbers {
  #below: number;
  readonly #above: Set<number>;

  constructor(seen: SeenEvents) {
    this.#below = Math.max(1, seen.below);
    this.#above = new Set(seen.above.filter((n) => n >= this.#below));
    this.#advance();
  }

  /** Notes a number; false when it was seen before. */
  add(n: number): boolean {
    if (n < this.#below || this.#above.has(n)) return false;
    this.#above.add(n);
    this.#advance();
    return true;
  }

  snapshot(): SeenEvents {
    return { below: this.#below, above: [...this.#above].toSorted((a, b) => a - b) };
  }

  #advance(): void {
    while (this.#above.delete(this.#below)) this.#below++;
  }
}
