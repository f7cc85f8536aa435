import { MeshError } from '@daca-mesh/protocol';
import type { Database, Unit } from '@daca-mesh/protocol/server';
import { isOver, loadRun } from '../runs/run-rows.ts';
import type { Signal, Signals } from '../store/signals.ts';
import { readTimeline, type TimelineEntry } from '../store/timeline.ts';

const lookAgainMs = 1_000;
const batchSize = 200;

/** Something that waits for news of a run. */
interface Follower {
  /** Resolves when the run may have changed, or the signal aborted. */
  changed(): Promise<void>;
  [Symbol.dispose](): void;
}

/**
 * Lets many clients follow runs. A follower is woken by the store's signal and looks by itself once a second, since a
 * signal is a courtesy and the rows are the truth.
 */
export class RunFeed {
  readonly #database: Database;
  readonly #signals: Signals;
  readonly #maxFollowers: number;
  #followers = 0;

  constructor(options: { database: Database; signals: Signals; maxFollowers?: number }) {
    this.#database = options.database;
    this.#signals = options.signals;
    this.#maxFollowers = options.maxFollowers ?? 1_000;
  }

  /**
   * A run's timeline after an entry, as it grows, to its last entry. Must be iterated once it was asked for.
   * @throws MeshError `RESOURCE_EXHAUSTED`.
   */
  entries(runId: string, afterSeq: number, signal: AbortSignal): AsyncGenerator<TimelineEntry> {
    return this.#entries(this.#follow(runId, this.#signals.timeline, signal), runId, afterSeq, signal);
  }

  /**
   * Asks at once and whenever status or progress of the run may have changed, until the value will do or the signal
   * aborts; the last value.
   * @throws MeshError `RESOURCE_EXHAUSTED`.
   */
  async until<T>(runId: string, ask: () => Promise<T>, enough: (value: T) => boolean, signal: AbortSignal): Promise<T> {
    using follower = this.#follow(runId, this.#signals.runs, signal);
    for (;;) {
      const changed = follower.changed();
      const value = await ask();
      if (enough(value) || signal.aborted) return value;
      await changed;
    }
  }

  async *#entries(
    opened: Follower,
    runId: string,
    afterSeq: number,
    signal: AbortSignal,
  ): AsyncGenerator<TimelineEntry> {
    using follower = opened;
    let seen = afterSeq;
    while (!signal.aborted) {
      const changed = follower.changed();
      const { entries, over } = await this.#database.read(() => readStep(runId, seen));
      for (const entry of entries) {
        yield entry;
        seen = entry.seq;
      }
      if (entries.length === batchSize) continue;
      if (over) return;
      await changed;
    }
  }

  #follow(runId: string, news: Signal<string>, signal: AbortSignal): Follower {
    if (this.#followers >= this.#maxFollowers) {
      throw new MeshError('RESOURCE_EXHAUSTED', 'too many clients follow runs already', { retryable: true });
    }
    this.#followers += 1;
    let wake = Promise.withResolvers<void>();
    const ring = (): void => wake.resolve();
    const forget = news.listen((changed) => {
      if (changed === runId) ring();
    });
    signal.addEventListener('abort', ring);
    const unfollow = this.#signals.followers.follow(runId);
    const timer = setInterval(ring, lookAgainMs);
    return {
      // Renewed before the follower looks, so that a change while it looks is not lost.
      changed: () => {
        if (!signal.aborted) wake = Promise.withResolvers<void>();
        return wake.promise;
      },
      [Symbol.dispose]: () => {
        this.#followers -= 1;
        clearInterval(timer);
        signal.removeEventListener('abort', ring);
        forget();
        unfollow();
      },
    };
  }
}

interface Step {
  entries: TimelineEntry[];
  /** The run's end and its last entry are one commit: nothing follows what was read. */
  over: boolean;
}

function* readStep(runId: string, afterSeq: number): Unit<Step> {
  const entries = yield* readTimeline(runId, afterSeq, batchSize);
  const row = yield* loadRun(runId);
  return { entries, over: row === undefined || isOver(row) };
}
