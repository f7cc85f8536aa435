import { setTimeout as sleep } from 'node:timers/promises';
import type { Task } from '@a2a-js/sdk';
import { isInterrupted, isMeshError, isTerminal } from '@daca-mesh/protocol';
import { taskQuestion } from '@daca-mesh/protocol/client';
import { all, first, run, type Unit } from '@daca-mesh/protocol/server';
import type { Peer } from '../directory/peer.ts';
import { type CallRow, query } from '../store/schema.ts';
import { abandonedFor } from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';
import type { CallLooks } from './call-looks.ts';
import { questionMark, recordTask, watermarkOf } from './record-task.ts';

/**
 * One loop per peer asks for the tasks whose status changed, for all calls parked there. All times in it are the peer's
 * own. A task that changed before its call was known to be open is not missed: an open call is also looked at by itself
 * once, soon after it was sent, and rarely from then on.
 */

const minIntervalMs = 200;
const maxIntervalMs = 5_000;
// A status carries the time it was made, a little before it can be read.
const overlapMs = 1_000;
const pageSize = 100;
const maxPages = 50;

export class PeerPoller {
  readonly #deps: WatcherDeps;
  readonly #peer: Peer;
  readonly #looks: CallLooks;
  readonly #signal: AbortSignal;
  #running: Promise<void> | undefined;
  #wake = new AbortController();
  #intervalMs = minIntervalMs;
  /** The newest status time seen at this peer. */
  #cursorMs = 0;

  constructor(deps: WatcherDeps, peer: Peer, looks: CallLooks, signal: AbortSignal) {
    this.#deps = deps;
    this.#peer = peer;
    this.#looks = looks;
    this.#signal = signal;
  }

  /** A call was parked at the peer: looks soon, and goes on while there is any. */
  wake(): void {
    if (!this.#peer.canList || this.#signal.aborted) return;
    this.#intervalMs = minIntervalMs;
    if (this.#running) this.#wake.abort();
    else this.#running = this.#run().finally(() => (this.#running = undefined));
  }

  async close(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { database, logger } = this.#deps;
    try {
      while (await database.read(() => hasOpenCalls(this.#peer.origin))) {
        await this.#pause();
        if (this.#signal.aborted) return;
        const changed = this.#peer.healthy ? await this.#poll() : false;
        if (!this.#peer.canList) return;
        this.#intervalMs = changed ? minIntervalMs : Math.min(this.#intervalMs * 1.5, maxIntervalMs);
      }
    } catch (err) {
      if (!this.#signal.aborted) logger.error({ err, peer: this.#peer.name }, 'polling a peer failed');
    }
  }

  async #poll(): Promise<boolean> {
    const { directory, database, logger } = this.#deps;
    try {
      return await this.#readChanges();
    } catch (error) {
      if (this.#signal.aborted) return false;
      if (isMeshError(error) && error.code === 'PEER_UNREACHABLE') directory.reportDown(this.#peer.origin);
      else if (isMeshError(error) && !error.retryable) {
        this.#peer.canList = false;
        await database.write(() => lookAtAll(this.#peer.origin));
        this.#deps.signals.calls.emit();
        logger.info(
          { peer: this.#peer.name, reason: error.code },
          'peer has no list of tasks; they are asked for one by one',
        );
      }
      return false;
    }
  }

  async #readChanges(): Promise<boolean> {
    const after = new Date(this.#cursorMs === 0 ? await this.#firstCursor() : this.#cursorMs - overlapMs);
    const filter = { statusTimestampAfter: after.toISOString(), pageSize, historyLength: 0, signal: this.#signal };
    let changed = false;
    let pageToken = '';
    for (let page = 0; page < maxPages; page++) {
      const listed = await this.#peer.client.list({ ...filter, ...(pageToken === '' ? {} : { pageToken }) });
      const seen = await Promise.all(listed.tasks.map((task) => this.#see(task)));
      changed ||= seen.includes(true);
      pageToken = listed.nextPageToken;
      if (pageToken === '') break;
    }
    return changed;
  }

  /** Each open call was seen in some status; nothing older than the newest of these needs to be listed. */
  async #firstCursor(): Promise<number> {
    const seen = await this.#deps.database.read(() => openCallsOf(this.#peer.origin));
    const times = seen.map(({ watermark }) => Date.parse(watermark?.split(' ')[0] ?? '')).filter((time) => time > 0);
    this.#cursorMs = times.length > 0 ? Math.min(...times) : Date.now() - 60_000;
    return this.#cursorMs - overlapMs;
  }

  async #see(task: Task): Promise<boolean> {
    const { database } = this.#deps;
    this.#cursorMs = Math.max(this.#cursorMs, Date.parse(task.status?.timestamp ?? '') || 0);
    const row = await database.read(() => openCallOf(this.#peer.origin, task.id));
    if (!row || !task.status || watermarkOf(task) === row.watermark) return false;
    const { state } = task.status;
    if (isTerminal(state)) await this.#looks.look(row);
    else if (!isInterrupted(state)) await database.write(() => recordTask(this.#deps, row, task, { raise: true }));
    else if (row.watermark === questionMark(taskQuestion(task)?.id)) return false;
    else await this.#looks.look(row);
    return true;
  }

  async #pause(): Promise<void> {
    this.#wake = new AbortController();
    const signal = AbortSignal.any([this.#signal, this.#wake.signal]);
    await sleep(this.#intervalMs * (0.9 + Math.random() * 0.2), undefined, { signal }).catch(() => undefined);
  }
}

function* hasOpenCalls(origin: string): Unit<boolean> {
  const row = yield* first(
    query
      .selectFrom('calls')
      .select('call_id')
      .where('peer_url', '=', origin)
      .where('state', '=', 'open')
      .limit(1)
      .compile(),
  );
  return row !== undefined;
}

function* openCallsOf(origin: string): Unit<readonly { watermark: string | null }[]> {
  return yield* all(
    query
      .selectFrom('calls')
      .select('watermark')
      .where('peer_url', '=', origin)
      .where('state', '=', 'open')
      .orderBy('created_at')
      .limit(1_000)
      .compile(),
  );
}

function* openCallOf(origin: string, taskId: string): Unit<CallRow | undefined> {
  return yield* first(
    query
      .selectFrom('calls')
      .selectAll()
      .where('peer_url', '=', origin)
      .where('task_id', '=', taskId)
      .where('state', '=', 'open')
      .compile(),
  );
}

/** Without a list every open call of the peer is looked at by itself. */
function* lookAtAll(origin: string): Unit<void> {
  yield* run(
    query
      .updateTable('calls')
      .set({ next_at: Date.now(), tries: 0 })
      .where('peer_url', '=', origin)
      .where('state', '=', 'open')
      .where('abandoned', '=', abandonedFor.nothing)
      .compile(),
  );
}
