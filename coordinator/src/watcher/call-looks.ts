import { isMeshError } from '@daca-mesh/protocol';
import type { Unit } from '@daca-mesh/protocol/server';
import type { Peer } from '../directory/peer.ts';
import type { CallRow } from '../store/schema.ts';
import type { Failure } from '../workflow-kit/contract.ts';
import { isLimited, settleLimited } from './call-limits.ts';
import { abandonedFor, callRef, keepCall, keyOf, loadCall, optionsOf, settleCall } from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';
import { nextLook, recordTask } from './record-task.ts';

const lookTimeoutMs = 10_000;

/** Looks at the tasks of open calls; several who want the same look share one. */
export class CallLooks {
  readonly #deps: WatcherDeps;
  readonly #signal: AbortSignal;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(deps: WatcherDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  isLooking(row: CallRow): boolean {
    return this.#underWay.has(callRef(keyOf(row)));
  }

  get size(): number {
    return this.#underWay.size;
  }

  async drain(): Promise<void> {
    await Promise.allSettled(this.#underWay.values());
  }

  /** Reads the task of an open call, or cancels it where the call was given up, and records what it finds. */
  look(row: CallRow): Promise<void> {
    const ref = callRef(keyOf(row));
    const underWay = this.#underWay.get(ref);
    if (underWay) return underWay;
    const look = this.#look(row).finally(() => this.#underWay.delete(ref));
    this.#underWay.set(ref, look);
    return look;
  }

  async #look(row: CallRow): Promise<void> {
    const { database, directory, logger } = this.#deps;
    const peer = directory.at(row.peer_url ?? '');
    try {
      if (!peer?.healthy || row.task_id === null) await this.#later(row);
      else {
        const task = await this.#read(row, peer, row.task_id);
        await database.write(() => recordTask(this.#deps, row, task, { raise: true }));
      }
    } catch (error) {
      if (this.#signal.aborted) return;
      if (isMeshError(error) && error.code === 'TASK_NOT_FOUND') {
        await database.write(() => settleUnread(this.#deps, row, lostTask(row)));
        return;
      }
      if (peer && row.task_id !== null && isMeshError(error) && error.code === 'PAYLOAD_TOO_LARGE') {
        const { code, message } = error;
        // It may be at work still, on more than can ever be read.
        await peer.client.cancel(row.task_id, { timeoutMs: lookTimeoutMs }).catch(() => undefined);
        await database.write(() => settleUnread(this.#deps, row, { code, message, retryable: false }));
        return;
      }
      if (peer && isMeshError(error) && error.code === 'PEER_UNREACHABLE') directory.reportDown(peer.origin);
      logger.debug({ err: error, runId: row.run_id, callId: row.call_id }, 'the task of a call could not be read');
      await this.#later(row);
    }
  }

  async #read(row: CallRow, peer: Peer, taskId: string) {
    const options = { signal: this.#signal, timeoutMs: lookTimeoutMs };
    if (row.abandoned !== abandonedFor.nothing) {
      try {
        return await peer.client.cancel(taskId, options);
      } catch (error) {
        // It has ended meanwhile, or cannot be cancelled here: what it is now decides.
        if (!isMeshError(error) || error.code === 'PEER_UNREACHABLE') throw error;
      }
    }
    return await peer.client.get(taskId, { ...options, historyLength: 0 });
  }

  async #later(row: CallRow): Promise<void> {
    await this.#deps.database.write(() => keepCall(this.#deps, keyOf(row), nextLook(this.#deps, row, row.tries)));
  }
}

/** The agent answers, but knows nothing of the task any more: its end will never be known. */
const lostTask = (row: CallRow): Failure => ({
  code: 'OUTCOME_UNKNOWN',
  message: `${row.agent ?? 'the agent'} no longer knows the task ${row.task_id ?? ''}`,
  retryable: optionsOf(row).repeatable,
});

/** Settles a call whose task cannot be read, and never will be. */
function* settleUnread(deps: WatcherDeps, seen: CallRow, failure: Failure): Unit<void> {
  const row = yield* loadCall(keyOf(seen));
  if (!row || row.state === 'settled') return;
  if (isLimited(row)) {
    yield* settleLimited(deps, row);
    return;
  }
  const about = {
    ...(row.agent === null ? {} : { agent: row.agent }),
    ...(row.task_id === null ? {} : { taskId: row.task_id }),
  };
  yield* settleCall(deps, row, { status: 'failed', failure, ...about }, { raise: true });
}
