import { isInterrupted, isTerminal } from '@daca-mesh/protocol';
import type { AgentEvent } from '@daca-mesh/protocol/client';
import { all, statement, type Unit } from '@daca-mesh/protocol/server';
import { loadRun, rootOf } from '../runs/run-rows.ts';
import { type CallRow, query } from '../store/schema.ts';
import { callRef, keyOf } from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';
import type { CallLooks } from './call-looks.ts';
import { recordTask } from './record-task.ts';

/**
 * Streams of open calls, for runs that someone watches: what an agent says shows at once. Each stream exists only as
 * long as its run is followed and its call is open; what it tells goes through the rows like everything else.
 */

const maxStreams = 256;

export class CallStreams {
  readonly #deps: WatcherDeps;
  readonly #looks: CallLooks;
  readonly #signal: AbortSignal;
  readonly #streams = new Map<string, { runId: string; stop: AbortController; done: Promise<void> }>();
  readonly #unlisten: () => void;

  constructor(deps: WatcherDeps, looks: CallLooks, signal: AbortSignal) {
    this.#deps = deps;
    this.#looks = looks;
    this.#signal = signal;
    this.#unlisten = deps.signals.followers.changed.listen((runId) => this.#followersChanged(runId));
  }

  /** Opens a stream for a call that became open, where its run, or the root of that, is watched. */
  opened(row: CallRow): void {
    const { signals, database, logger } = this.#deps;
    if (signals.followers.has(row.run_id)) this.#open(row, row.run_id);
    else if (signals.followers.any) {
      database
        .read(() => loadRun(row.run_id))
        .then((owner) => {
          if (owner && signals.followers.has(rootOf(owner))) this.#open(row, rootOf(owner));
        })
        .catch((err: unknown) => {
          if (!this.#signal.aborted) logger.error({ err, runId: row.run_id }, 'the run of a call could not be read');
        });
    }
  }

  async close(): Promise<void> {
    this.#unlisten();
    const done = [...this.#streams.values()].map((stream) => stream.done);
    for (const { stop } of this.#streams.values()) stop.abort();
    await Promise.all(done);
  }

  #followersChanged(runId: string): void {
    if (!this.#deps.signals.followers.has(runId)) {
      for (const stream of this.#streams.values()) if (stream.runId === runId) stream.stop.abort();
      return;
    }
    const { database, logger } = this.#deps;
    database
      .read(() => openCallsOfRun(runId))
      .then((rows) => {
        for (const row of rows) this.#open(row, runId);
      })
      .catch((err: unknown) => {
        if (!this.#signal.aborted) logger.error({ err, runId }, 'the calls of a run could not be read');
      });
  }

  #open(row: CallRow, watched: string): void {
    const ref = callRef(keyOf(row));
    const peer = this.#deps.directory.at(row.peer_url ?? '');
    if (!peer || !row.task_id || this.#streams.has(ref) || this.#streams.size >= maxStreams || this.#signal.aborted)
      return;
    if (peer.client.card.capabilities?.streaming !== true) return;
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#signal]);
    const done = this.#follow(row, peer.client.subscribe(row.task_id, { signal })).finally(() =>
      this.#streams.delete(ref),
    );
    this.#streams.set(ref, { runId: watched, stop, done });
  }

  async #follow(row: CallRow, events: AsyncGenerator<AgentEvent>): Promise<void> {
    const { logger } = this.#deps;
    try {
      for await (const event of events) await this.#take(row, event);
      // The stream ends where the task does; a look makes sure of it.
      await this.#looks.look(row);
    } catch (err) {
      // Whoever stopped it wants no more; and where the stream fails, the polls go on without it.
      logger.debug({ err, runId: row.run_id, callId: row.call_id }, 'the stream of a call ended');
    }
  }

  async #take(row: CallRow, { response: { payload } }: AgentEvent): Promise<void> {
    const { database } = this.#deps;
    if (payload?.$case === 'task') {
      await database.write(() => recordTask(this.#deps, row, payload.value, { raise: true }));
    } else if (payload?.$case === 'statusUpdate' && payload.value.status) {
      const { status } = payload.value;
      // An event has no artifacts; what matters is read as a whole.
      if (isTerminal(status.state) || isInterrupted(status.state)) await this.#looks.look(row);
      else {
        const task = { id: row.task_id ?? '', contextId: '', status, artifacts: [], history: [], metadata: undefined };
        await database.write(() => recordTask(this.#deps, row, task, { raise: true }));
      }
    }
  }
}

const selectOpen = statement<{ run_id: string }, CallRow>((value) =>
  query
    .selectFrom('calls')
    .selectAll()
    .where('run_id', 'in', (eb) =>
      eb
        .selectFrom('runs')
        .select('runs.run_id')
        .where((own) => own.or([own('runs.run_id', '=', value('run_id')), own('root_run_id', '=', value('run_id'))])),
    )
    .where('state', '=', 'open'),
);

function* openCallsOfRun(runId: string): Unit<readonly CallRow[]> {
  return yield* all(selectOpen({ run_id: runId }));
}
