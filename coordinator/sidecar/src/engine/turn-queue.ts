import { create, toBinary } from '@bufbuild/protobuf';
import { WorkItemSchema } from '../gen/durable_task_pb.ts';
import { isTerminal } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import { workflowStarted } from './history-events.ts';
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
  readonly lastInboxId: number;
  /** Encoded: the event that carries the turn's time, the first of its new events. */
  readonly started: Uint8Array;
  readonly token: string;
  worker: Worker | undefined;
  attempts: number;
  state: 'unsent' | 'out' | 'committing' | 'settling';
  /** More is waiting in the inbox than the turn was given. */
  more: boolean;
}

/** Which instances want a turn, and which have one. A cache: the inbox rows are what counts. */
export class TurnQueue {
  readonly #store: Store;
  readonly #ready = new Set<string>();
  readonly #open = new Map<string, Turn>();
  readonly #wake: () => void;

  constructor(store: Store, wake: () => void) {
    this.#store = store;
    this.#wake = wake;
  }

  get isEmpty(): boolean {
    return this.#ready.size === 0;
  }

  add(instanceId: string): void {
    const turn = this.#open.get(instanceId);
    if (turn === undefined || turn.state === 'unsent') this.#ready.add(instanceId);
    else turn.more = true;
  }

  /** Forgets what is ready (not what is out), then finds it again in the rows. */
  rescan(): void {
    this.#ready.clear();
    for (const id of this.#store.instances.idsWithInbox()) this.add(id);
  }

  /** The next work item for this worker, which is now responsible for it. */
  next(worker: Worker, now: number): Uint8Array | undefined {
    for (const instanceId of this.#ready) {
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
      turn.worker = worker;
      turn.attempts += 1;
      turn.state = 'out';
      this.#open.set(instanceId, turn);
      worker.turnSent();
      return this.#workItem(turn, events);
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
      this.#ready.add(turn.instanceId);
    }
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
    const rows = this.#store.inbox.first(run, MAX_BATCH);
    const last = rows.at(-1);
    if (last === undefined) return undefined;
    const turn: Turn = {
      run,
      instanceId,
      executionId,
      lastInboxId: last.id,
      started: workflowStarted(now),
      // The history grows with every turn, so its length tells the turns of a generation apart.
      token: `${executionId}#${historyLength}`,
      worker: undefined,
      attempts: 0,
      state: 'unsent',
      more: rows.length === MAX_BATCH,
    };
    return { turn, events: rows.map((row) => row.event) };
  }

  #again(turn: Turn): { turn: Turn; events: Uint8Array[] } | undefined {
    const rows = this.#store.inbox.upTo(turn.run, turn.lastInboxId);
    return rows.length === 0 ? undefined : { turn, events: rows.map((row) => row.event) };
  }

  #workItem(turn: Turn, events: Uint8Array[]): Uint8Array {
    const { instanceId, executionId, run, started, token } = turn;
    const pastEvents = this.#store.history.events(run);
    const newEvents = [started, ...events];
    return toBinary(
      WorkItemSchema,
      create(WorkItemSchema, {
        request: { case: 'workflowRequest', value: { instanceId, executionId, pastEvents, newEvents } },
        completionToken: token,
      }),
    );
  }
}
