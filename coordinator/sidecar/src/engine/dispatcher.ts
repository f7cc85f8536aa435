import type { KillPointListener } from '../kill-point.ts';
import type { SqliteDatabase } from '../store/sqlite-database.ts';
import type { Store } from '../store/store.ts';
import { ActivityQueue } from './activity-queue.ts';
import type { Quarantine } from './quarantine.ts';
import { TurnQueue, type TurnLimit } from './turn-queue.ts';
import { Worker, type WorkerLimits, type WorkerStream } from './worker.ts';

export interface DispatcherOptions {
  readonly store: Store;
  readonly now: () => number;
  readonly limit: TurnLimit;
  readonly quarantine?: Quarantine | undefined;
  readonly killPoint?: KillPointListener | undefined;
}

/** Hands what is ready to workers that have room, and takes it back when a worker is lost. */
export class Dispatcher {
  readonly turns: TurnQueue;
  readonly activities: ActivityQueue;
  readonly #workers = new Set<Worker>();
  readonly #database: SqliteDatabase;
  readonly #now: () => number;
  readonly #killPoint: KillPointListener | undefined;
  #stopped = false;

  constructor({ store, now, limit, quarantine, killPoint }: DispatcherOptions) {
    this.#database = store.database;
    this.#now = now;
    this.#killPoint = killPoint;
    this.turns = new TurnQueue(store, () => this.pump(), limit, quarantine);
    this.activities = new ActivityQueue(store, () => this.pump());
  }

  /** Returns what is to be called when the stream is over. */
  connect(stream: WorkerStream, limits: WorkerLimits): () => void {
    if (this.#stopped) {
      stream.end();
      return () => {};
    }
    const worker = new Worker(stream, limits);
    this.#workers.add(worker);
    this.#database.whenDurable(() => {
      this.#retryStalled(worker);
      this.pump();
    });
    return () => {
      if (!this.#workers.delete(worker)) return;
      this.turns.workerLost(worker);
      this.activities.workerLost(worker);
      this.pump();
    };
  }

  /** Workers are outside: what they are given, the events of a turn too, is on disk. */
  pump(): void {
    this.#database.whenDurable(() => this.#pump());
  }

  #pump(): void {
    if (this.#stopped) return;
    while (!this.turns.isEmpty) {
      const worker = this.#leastBusy((candidate) => candidate.canTakeTurn());
      const workItem = worker && this.turns.next(worker, this.#now());
      if (workItem === undefined) break;
      worker?.stream.send(workItem);
      this.#killPoint?.('turn:dispatched');
    }
    if (this.turns.isIsolating) return;
    while (!this.activities.isEmpty) {
      const worker = this.#leastBusy((candidate) => candidate.canTakeActivity());
      const workItem = worker && this.activities.next(worker);
      if (workItem === undefined) break;
      worker?.stream.send(workItem);
      this.#killPoint?.('activity:dispatched');
    }
  }

  /** Finds everything that is ready from the rows, as after a restart. */
  rescan(): void {
    this.turns.rescan();
    this.activities.rescan();
    this.pump();
  }

  /** Sends nothing more and ends all streams. What is out stays unanswered, and so is sent again by the next process. */
  stop(): void {
    this.#stopped = true;
    for (const worker of this.#workers) worker.stream.end();
    this.#workers.clear();
  }

  /** The new worker may be able to run what those before it were not. */
  #retryStalled(worker: Worker): void {
    // It may be gone by now.
    if (!this.#workers.has(worker)) return;
    const stalled = this.turns.retryStalled().values();
    while (worker.canTakeTurn() && !this.turns.isIsolating) {
      const workItem = this.turns.next(worker, this.#now(), stalled);
      if (workItem === undefined) break;
      worker.stream.send(workItem);
      this.#killPoint?.('turn:dispatched');
    }
  }

  #leastBusy(hasRoom: (worker: Worker) => boolean): Worker | undefined {
    let best: Worker | undefined;
    for (const worker of this.#workers) {
      if (hasRoom(worker) && (best === undefined || worker.unacked < best.unacked)) best = worker;
    }
    return best;
  }
}
