import { create, toBinary } from '@bufbuild/protobuf';
import { WorkflowStatus, WorkItemSchema } from '../gen/durable_task_pb.ts';
import { isTerminal } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import { workflowStarted } from './history-events.ts';
import { Isolation } from './isolation.ts';
import type { Quarantine } from './quarantine.ts';
import { isQuarantined } from './stall.ts';
import type { Worker } from './worker.ts';

/** How many waiting events one turn takes; the rest is the next turn's. */
const MAX_BATCH = 1000;

/**
 * How long an instance rests after a turn that had to be dispatched twice. SDK 3.18 answers by instance id alone, so the
 * answer of the lost attempt could otherwise be taken for the answer of the next turn.
 */
const SECOND_ANSWER_MS = 2000;

/**
 * A turn that was handed out. It names its events by the last one instead of holding them, and is handed out again with
 * exactly the same ones if the worker is lost: an answer to either attempt is an answer to both.
 */
export interface Turn {
  readonly run: number;
  readonly instanceId: string;
  readonly executionId: string;
  readonly historyLength: number;
  readonly lastInboxId: number;
  /** Encoded: the event that carries the turn's time, the first of its new events. */
  readonly started: Uint8Array;
  readonly token: string;
  worker: Worker | undefined;
  /** That it is out, for the process after this one. */
  mark: number | undefined;
  attempts: number;
  state: 'unsent' | 'out' | 'committing' | 'settling';
  /** More is waiting in the inbox than the turn was given. */
  more: boolean;
}

/** How much the events of a work item may weigh. */
export interface TurnLimit {
  readonly maxBytes: number;
  /** The turn is not handed out; it is the callee's to close. */
  onTooLarge(turn: Turn, sizeBytes: number): void;
}

/** Which instances want a turn, and which have one. A cache: the inbox rows are what counts. */
export class TurnQueue {
  readonly #store: Store;
  readonly #ready = new Set<string>();
  readonly #open = new Map<string, Turn>();
  readonly #wake: () => void;
  readonly #quarantine: Quarantine | undefined;
  /** Instances whose next turn must be the only work that is out. */
  readonly #isolation: Isolation;

  /** Stalled runs that may try again: a worker has connected since. */
  readonly #retry = new Set<number>();
  readonly #limit: TurnLimit;

  constructor(store: Store, wake: () => void, limit: TurnLimit, quarantine?: Quarantine) {
    this.#store = store;
    this.#wake = wake;
    this.#limit = limit;
    this.#quarantine = quarantine;
    this.#isolation = new Isolation((instanceId) => {
      quarantine?.hangs(instanceId);
      wake();
    });
  }

  get isEmpty(): boolean {
    return this.#ready.size === 0 && !this.isIsolating;
  }

  add(instanceId: string): void {
    const turn = this.#open.get(instanceId);
    if (turn === undefined || turn.state === 'unsent') this.#ready.add(instanceId);
    else turn.more = true;
  }

  /** A turn runs alone, or is about to: nothing else may be handed out. */
  get isIsolating(): boolean {
    return this.#isolation.current !== undefined;
  }

  /** Has one turn of each of these run before anything else, one at a time. Nothing may be out yet. */
  isolate(instanceIds: readonly string[]): void {
    this.#isolation.add(instanceIds);
  }

  /** Lets all that wait for another worker, or for larger limits, try once more. Returns their ids. */
  retryStalled(): string[] {
    const retried = this.#store.instances.stalled().filter(({ run }) => !isQuarantined(this.#store, run));
    for (const { run, id } of retried) {
      this.#retry.add(run);
      this.add(id);
    }
    return retried.map(({ id }) => id);
  }

  /** Forgets what is ready (not what is out), then finds it again in the rows. */
  rescan(): void {
    this.#ready.clear();
    for (const id of this.#store.instances.idsWithInbox()) this.add(id);
  }

  /** The next work item for this worker, which is now responsible for it. */
  next(worker: Worker, now: number, candidates: Iterable<string> = this.#candidates()): Uint8Array | undefined {
    for (const instanceId of candidates) {
      this.#ready.delete(instanceId);
      const lost = this.#open.get(instanceId);
      // An answer to a lost turn may have come after all.
      if (lost !== undefined && lost.state !== 'unsent') continue;
      const begun = lost === undefined ? this.#begin(instanceId, now) : this.#again(lost);
      if (begun === undefined) {
        // A lost turn whose run has ended meanwhile. The id may have a new run by now, so look again.
        if (this.#open.delete(instanceId)) this.#ready.add(instanceId);
        continue;
      }
      const { turn, events } = begun;
      const past = this.#store.history.events(turn.run);
      const sizeBytes = bytesOf(past) + bytesOf(events);
      if (sizeBytes > this.#limit.maxBytes) {
        this.#tooLarge(turn, sizeBytes);
        continue;
      }
      turn.worker = worker;
      turn.attempts += 1;
      turn.state = 'out';
      turn.mark = this.#quarantine?.begin(turn);
      this.#open.set(instanceId, turn);
      this.#isolation.begin(instanceId);
      worker.turnSent();
      return toWorkItem(turn, past, events);
    }
    return undefined;
  }

  /** The turn this answer is for, now the caller's to commit and to close; undefined if there is none. */
  answered(instanceId: string, token: string): Turn | undefined {
    const turn = this.#open.get(instanceId);
    if (turn === undefined || (token !== '' && token !== turn.token)) return undefined;
    if (turn.state === 'settling') {
      turn.attempts -= 1;
      if (turn.attempts <= 1) this.#release(turn);
      return undefined;
    }
    if (turn.state === 'committing') {
      turn.attempts -= 1;
      return undefined;
    }
    // Lost and not yet sent again: whatever arrived meanwhile was not noted on it.
    if (turn.state === 'unsent') turn.more = true;
    turn.state = 'committing';
    turn.worker?.turnAnswered();
    turn.worker = undefined;
    return turn;
  }

  /** The turn is committed (or found overtaken): the instance may have another. */
  close(turn: Turn): void {
    this.#unmark(turn);
    if (this.#isolation.end(turn.instanceId)) this.#wake();
    if (turn.attempts <= 1) {
      this.#release(turn);
      return;
    }
    turn.state = 'settling';
    setTimeout(() => this.#release(turn), SECOND_ANSWER_MS).unref();
  }

  workerLost(worker: Worker): void {
    for (const turn of this.#open.values()) {
      if (turn.worker !== worker) continue;
      turn.worker = undefined;
      turn.state = 'unsent';
      this.#unmark(turn);
      this.#isolation.pause(turn.instanceId);
      this.#ready.add(turn.instanceId);
    }
  }

  /** Ready instances; while turns run alone, only the one whose turn it is. */
  *#candidates(): Iterable<string> {
    for (let suspect = this.#isolation.current; suspect !== undefined; suspect = this.#isolation.current) {
      const open = this.#open.get(suspect);
      if (open !== undefined && open.state !== 'unsent') return;
      if (this.#ready.has(suspect)) yield suspect;
      // It wants no turn (any more): it ended, was purged, or was stalled.
      this.#isolation.end(suspect);
    }
    yield* this.#ready;
  }

  #unmark(turn: Turn): void {
    this.#quarantine?.end(turn.mark);
    turn.mark = undefined;
  }

  #tooLarge(turn: Turn, sizeBytes: number): void {
    turn.state = 'committing';
    this.#open.set(turn.instanceId, turn);
    this.#limit.onTooLarge(turn, sizeBytes);
  }

  #release(turn: Turn): void {
    if (this.#open.get(turn.instanceId) !== turn) return;
    this.#open.delete(turn.instanceId);
    if (!turn.more) return;
    this.#ready.add(turn.instanceId);
    this.#wake();
  }

  #begin(instanceId: string, now: number): { turn: Turn; events: Uint8Array[] } | undefined {
    const instance = this.#store.instances.byId(instanceId);
    if (instance === undefined || instance.held === 1 || isTerminal(instance.status)) return undefined;
    const { run, executionId, historyLength } = instance;
    if (instance.status === WorkflowStatus.STALLED && !this.#retry.delete(run)) return undefined;
    const rows = this.#store.inbox.first(run, MAX_BATCH, this.#limit.maxBytes);
    const last = rows.at(-1);
    if (last === undefined) return undefined;
    const turn: Turn = {
      run,
      instanceId,
      executionId,
      historyLength,
      lastInboxId: last.id,
      started: workflowStarted(now),
      // The history grows with every turn, so its length tells the turns of a generation apart.
      token: `${executionId}#${historyLength}`,
      worker: undefined,
      mark: undefined,
      attempts: 0,
      state: 'unsent',
      more: rows.length === MAX_BATCH,
    };
    return { turn, events: rows.map((row) => row.event) };
  }

  #again(turn: Turn): { turn: Turn; events: Uint8Array[] } | undefined {
    const rows = this.#store.inbox.upTo(turn.run, turn.lastInboxId);
    // What arrived while it was lost was not noted on it.
    turn.more = true;
    return rows.length === 0 ? undefined : { turn, events: rows.map((row) => row.event) };
  }
}

function toWorkItem(turn: Turn, pastEvents: Uint8Array[], events: Uint8Array[]): Uint8Array {
  const { instanceId, executionId, started, token } = turn;
  const newEvents = [started, ...events];
  return toBinary(
    WorkItemSchema,
    create(WorkItemSchema, {
      request: { case: 'workflowRequest', value: { instanceId, executionId, pastEvents, newEvents } },
      completionToken: token,
    }),
  );
}

function bytesOf(events: Uint8Array[]): number {
  let bytes = 0;
  for (const event of events) bytes += event.length;
  return bytes;
}
