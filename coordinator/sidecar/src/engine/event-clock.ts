import { timestampFromMs, type Timestamp } from '@bufbuild/protobuf/wkt';

const NANOS_PER_MS = 1_000_000;

/**
 * Times for external events, each later than the one before: events that are equal in name and value are told apart by
 * their time, and there may be thousands within a millisecond or while the clock is set back.
 */
export class EventClock {
  #lastMs = 0;
  #nanos = 0;

  next(nowMs: number): Timestamp {
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs;
      this.#nanos = 0;
    } else if (this.#nanos < NANOS_PER_MS - 1) {
      this.#nanos += 1;
    } else {
      this.#lastMs += 1;
      this.#nanos = 0;
    }
    const timestamp = timestampFromMs(this.#lastMs);
    timestamp.nanos += this.#nanos;
    return timestamp;
  }
}
