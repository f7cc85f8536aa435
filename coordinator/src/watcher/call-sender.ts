import { isMeshError } from '@daca-mesh/protocol';
import { killPoint, run, type Unit } from '@daca-mesh/protocol/server';
import type { Peer } from '../directory/peer.ts';
import { isOver, loadRun } from '../runs/run-rows.ts';
import { type CallRow, query, type RunRow } from '../store/schema.ts';
import { appendTimeline } from '../store/timeline.ts';
import type { CallOutcome, Failure } from '../workflow-kit/contract.ts';
import {
  abandonedFor,
  callFields,
  type CallOptions,
  callRef,
  keepCall,
  keyOf,
  loadCall,
  never,
  optionsOf,
  outcomeOf,
  pauseLimits,
  requestOf,
  settleCall,
  updateCall,
} from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';
import { recordTask } from './record-task.ts';
import { sendFailure } from './send-failure.ts';
import { resolveUnknown, settleUnsent } from './unknown-outcome.ts';

/**
 * Sends calls. `sending` is committed before the first byte leaves, so a row that says `unsent` is known unsent, at any
 * moment of any crash: only such a call may choose another peer, and only such a call is given up without a trace. What
 * may have been sent is sent again, the same bytes to the same peer, where the peer recognizes the repetition; else it
 * is looked for, and the call's own policy decides.
 */

export type SendResult = CallOutcome | { status: 'open' };

const sendTimeoutMs = 15_000;
const firstBackoffMs = 100;
const maxBackoffMs = 5_000;

export class CallSender {
  readonly #deps: WatcherDeps;
  readonly #inFlight = new Map<string, Promise<SendResult>>();
  readonly #signal: AbortSignal;

  constructor(deps: WatcherDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** The send that is under way for a call. */
  underWay(row: CallRow): Promise<SendResult> | undefined {
    return this.#inFlight.get(callRef(keyOf(row)));
  }

  /** How many calls are being sent right now. */
  get size(): number {
    return this.#inFlight.size;
  }

  /**
   * Sends a call that is `unsent` or `sending`, or joins the send that is under way.
   * @param options.raise Whether an outcome is told by an event; the `send` activity returns it.
   * @param options.fresh Whether the row was written just now, so that `sending` only says what is about to happen.
   */
  send(row: CallRow, options: { raise: boolean; fresh: boolean }): Promise<SendResult> {
    const ref = callRef(keyOf(row));
    const underWay = this.#inFlight.get(ref);
    if (underWay) return underWay;
    const sent = this.#send(row, options).finally(() => this.#inFlight.delete(ref));
    this.#inFlight.set(ref, sent);
    return sent;
  }

  /** Waits for what is under way. */
  async drain(): Promise<void> {
    await Promise.allSettled(this.#inFlight.values());
  }

  async #send(row: CallRow, { raise, fresh }: { raise: boolean; fresh: boolean }): Promise<SendResult> {
    const { database, directory } = this.#deps;
    if (row.state === 'sending' && !fresh && (row.abandoned !== abandonedFor.nothing || !optionsOf(row).idempotent)) {
      await resolveUnknown(this.#deps, row);
      return openResult;
    }
    if (row.state === 'sending') {
      // What may have arrived goes to the same peer again, or nowhere.
      const peer = directory.at(row.peer_url ?? '');
      return peer ? this.#transmit(row, peer, { raise, knownUnsent: fresh }) : this.#postpone(row, undefined);
    }
    let peer: Peer | undefined;
    try {
      peer = directory.choose(optionsOf(row).target);
    } catch (error) {
      return database.write(() => settleCall(this.#deps, row, noPeer(error), { raise }));
    }
    // A peer that counts as down is tried once for each call, then only when it is back.
    if (!peer || (!peer.healthy && row.tries > 0)) return this.#postpone(row, 'unsent');
    const chosen = peer;
    const claimed = await database.write(() => claimUnsent(this.#deps, row, chosen));
    if (claimed?.state !== 'sending') return this.#current(row);
    return this.#transmit(claimed, chosen, { raise, knownUnsent: true });
  }

  async #transmit(row: CallRow, peer: Peer, known: { raise: boolean; knownUnsent: boolean }): Promise<SendResult> {
    const { database } = this.#deps;
    const timeoutMs = Math.min(sendTimeoutMs, Math.max(optionsOf(row).timeoutMs, 100));
    try {
      const task = await peer.client.send({ ...requestOf(row), signal: this.#signal, timeoutMs });
      killPoint('call-sent');
      return await database.write(() => recordTask(this.#deps, row, task, { raise: known.raise }));
    } catch (error) {
      // The coordinator is stopping: the row stays as it is, and the next process goes on from there.
      if (this.#signal.aborted) return openResult;
      return this.#failed(row, peer, error, known);
    }
  }

  async #failed(
    row: CallRow,
    peer: Peer,
    error: unknown,
    { raise, knownUnsent }: { raise: boolean; knownUnsent: boolean },
  ): Promise<SendResult> {
    const { database, directory, logger } = this.#deps;
    const what = sendFailure(error);
    logger.debug({ err: error, runId: row.run_id, callId: row.call_id, peer: peer.name }, 'send failed');
    if (isMeshError(error) && error.code === 'PEER_UNREACHABLE') directory.reportDown(peer.origin);
    if (what.kind === 'refused') {
      const outcome: CallOutcome = { status: 'failed', failure: what.failure, agent: peer.name };
      return database.write(() => settleCall(this.#deps, row, outcome, { raise }));
    }
    if (what.kind === 'unsent' && knownUnsent) return this.#postpone(row, 'unsent', what.retryAfterMs);
    if (optionsOf(row).idempotent) return this.#postpone(row, 'sending', what.retryAfterMs);
    await resolveUnknown(this.#deps, row);
    return openResult;
  }

  async #postpone(row: CallRow, state: CallRow['state'] | undefined, atLeastMs = 0): Promise<SendResult> {
    const { database } = this.#deps;
    const backoffMs = Math.min(firstBackoffMs * 2 ** Math.min(row.tries, 10), maxBackoffMs);
    const delayMs = Math.max(backoffMs * (0.8 + Math.random() * 0.4), atLeastMs);
    return database.write(() =>
      postponeCall(this.#deps, row, {
        ...(state === undefined ? {} : { state }),
        next_at: Date.now() + Math.round(delayMs),
        tries: row.tries + 1,
      }),
    );
  }

  /** What somebody else made of the call meanwhile. */
  async #current(row: CallRow): Promise<SendResult> {
    const current = await this.#deps.database.read(() => loadCall(keyOf(row)));
    return current?.state === 'settled' ? outcomeOf(current) : openResult;
  }
}

const openResult: SendResult = { status: 'open' };

/**
 * Marks an unsent call as being sent to a peer, unless it may not go out now. One that is held back is due again when
 * the run is resumed; its clock stands still.
 */
function* claimUnsent(deps: WatcherDeps, seen: CallRow, peer: Peer): Unit<CallRow | undefined> {
  const row = yield* loadCall(keyOf(seen));
  if (row?.state !== 'unsent') return undefined;
  const options = optionsOf(row);
  if (isHeld(yield* loadRun(row.run_id), options.compensating)) {
    yield* pauseLimits(row);
    return yield* updateCall(keyOf(row), { next_at: never });
  }
  const { remainingMs, ...rest } = options;
  const now = Date.now();
  const claimed = yield* updateCall(keyOf(row), {
    state: 'sending',
    agent: peer.name,
    peer_url: peer.origin,
    options: JSON.stringify({ ...rest, idempotent: peer.idempotent } satisfies CallOptions),
    // A clock that stood still goes on with what was left.
    ...(remainingMs === undefined ? {} : { created_at: now - options.timeoutMs + remainingMs }),
    progressed_at: now,
    next_at: now + sendTimeoutMs * 2,
  });
  if (claimed && row.agent !== peer.name) {
    yield* appendTimeline(deps.signals, row.run_id, {
      type: 'call-sent',
      ...callFields(claimed),
      data: { ...(row.skill === null ? {} : { skill: row.skill }), path: row.path },
    });
  }
  return claimed;
}

/** Leaves a call for later, unless it was given up meanwhile and is known not to have been sent. */
function* postponeCall(deps: WatcherDeps, row: CallRow, changes: Partial<CallRow>): Unit<SendResult> {
  const kept = yield* keepCall(deps, keyOf(row), changes);
  if (kept?.state !== 'unsent' || kept.abandoned === abandonedFor.nothing) return openResult;
  return yield* settleUnsent(deps, kept);
}

/** Whether a run must not send anything now. */
export function isHeld(owner: RunRow | undefined, compensating: boolean): boolean {
  if (!owner || isOver(owner) || owner.suspended !== 0) return true;
  return owner.canceling !== 0 && !compensating;
}

function noPeer(error: unknown): CallOutcome {
  if (!isMeshError(error)) throw error;
  const failure: Failure = {
    code: error.code,
    message: error.message,
    retryable: error.retryable,
    ...(error.details === undefined ? {} : { details: error.details }),
  };
  return { status: 'failed', failure };
}

/** Makes calls due that wait for a peer that answers again. What happened to its open tasks meanwhile, its list tells. */
export function* wakeCallsOf(peer: Peer): Unit<void> {
  const now = Date.now();
  const waiting = query
    .updateTable('calls')
    .set({ next_at: now })
    .where('state', '<>', 'settled')
    .where('next_at', '>', now)
    .where('next_at', '<', never)
    .where((eb) => eb.or([eb('peer_url', '=', peer.origin), eb('peer_url', 'is', null)]));
  const listed = waiting.where((eb) => eb.or([eb('state', '<>', 'open'), eb('abandoned', '<>', abandonedFor.nothing)]));
  yield* run((peer.canList ? listed : waiting).compile());
}
