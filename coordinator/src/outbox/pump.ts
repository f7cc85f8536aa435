import { isMeshError } from '@daca-mesh/protocol';
import { all, type Database, first, killPoint, run, statement, type Unit } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import { firstEvent, isFresh, isOver, loadRun } from '../runs/run-rows.ts';
import { type OutboxRow, query, type RunRow } from '../store/schema.ts';
import type { Selectable } from 'kysely';
import type { Signals } from '../store/signals.ts';
import { type Envelope, isOutcome } from '../workflow-kit/contract.ts';
import type { RunEngine } from './run-engine.ts';

/**
 * Brings starts and events from the outbox to the engine: in order within a run, many runs at a time. A row is `raised`
 * once the engine took it and `done` once the workflow is known to have consumed it; what lies between is raised again
 * after the engine was away, and the kit drops what it has seen.
 */

type Row = Selectable<OutboxRow>;

export interface OutboxPump {
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface OutboxPumpOptions {
  database: Database;
  signals: Signals;
  engine: RunEngine;
  logger: Logger;
}

const maxConcurrentRuns = 64;
const batch = 512;
const idleMs = 1_000;
const lookAgainMs = 100;
const firstBackoffMs = 50;
const maxBackoffMs = 5_000;

export const createOutboxPump = (options: OutboxPumpOptions): OutboxPump => new Pump(options);

class Pump implements OutboxPump {
  readonly #options: OutboxPumpOptions;
  readonly #busy = new Map<string, Promise<void>>();
  /** The breaker: after a failure nothing is tried before this, however much is due. */
  #pausedUntil = 0;
  #failures = 0;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> | undefined;
  #again = false;
  #unlisten = (): void => undefined;

  constructor(options: OutboxPumpOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { database, signals, engine } = this.#options;
    await database.write(raiseAgain);
    this.#unlisten = signals.outbox.listen(() => this.#wake());
    engine.onReconnect(() => {
      this.#pausedUntil = 0;
      database.write(raiseAgain).then(() => this.#wake(), this.#report);
    });
    this.#wake();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unlisten();
    clearTimeout(this.#timer);
    await this.#pass;
    await Promise.allSettled(this.#busy.values());
  }

  #wake(): void {
    if (this.#closed) return;
    if (this.#pass) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#pass = this.#run()
      .catch(this.#report)
      .finally(() => {
        this.#pass = undefined;
        if (!this.#again) return;
        this.#again = false;
        this.#wake();
      });
  }

  readonly #report = (err: unknown): void => {
    if (this.#closed) return;
    this.#options.logger.error({ err }, 'the outbox could not be read');
    this.#sleep(idleMs);
  };

  #sleep(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => this.#wake(), ms);
  }

  async #run(): Promise<void> {
    // What is known to fail is no failure. Of the first connection nobody tells.
    if (!this.#options.engine.ready()) return this.#sleep(lookAgainMs);
    const pausedMs = this.#pausedUntil - Date.now();
    if (pausedMs > 0) {
      this.#sleep(pausedMs);
      return;
    }
    const due = await this.#options.database.read(() => dueRows(Date.now()));
    for (const [runId, rows] of Map.groupBy(due, (row) => row.run_id)) {
      if (this.#busy.size >= maxConcurrentRuns) break;
      if (this.#busy.has(runId)) continue;
      const done = this.#deliver(rows)
        .catch(this.#report)
        .finally(() => {
          this.#busy.delete(runId);
          this.#wake();
        });
      this.#busy.set(runId, done);
    }
    const next = await this.#options.database.read(() => nextDue(Date.now()));
    this.#sleep(next === undefined ? idleMs : Math.min(Math.max(next - Date.now(), 1), idleMs));
  }

  /** Delivers the rows of one run, in order, up to the first that fails. */
  async #deliver(rows: readonly Row[]): Promise<void> {
    for (const batch of inBatches(rows)) {
      if (this.#closed) return;
      const delivered = await Promise.all(batch.map((row) => this.#deliverRow(row)));
      if (!delivered.every(Boolean)) return;
    }
  }

  /** False where the rest of its run has to wait. */
  async #deliverRow(row: Row): Promise<boolean> {
    const { database, logger } = this.#options;
    try {
      const state = await this.#hand(row);
      this.#failures = 0;
      if (state === 'later') {
        await database.write(() => postpone(row, idleMs));
        return false;
      }
      await database.write(() => markRow(row, state));
      return true;
    } catch (err) {
      if (this.#closed) return false;
      logger.warn({ err, runId: row.run_id, kind: row.kind }, 'the engine did not take a row of the outbox');
      // A row the engine refuses must not stop all others; an engine that is away stops them all.
      // The rows that were under way together failed for one reason: they count as one failure.
      if ((!isMeshError(err) || err.code === 'UNAVAILABLE') && Date.now() >= this.#pausedUntil) {
        this.#pausedUntil = Date.now() + Math.min(firstBackoffMs * 2 ** this.#failures++, maxBackoffMs);
      }
      await database.write(() => postpone(row, Math.min(firstBackoffMs * 2 ** Math.min(row.tries, 10), maxBackoffMs)));
      return false;
    }
  }

  async #hand(row: Row): Promise<'raised' | 'done' | 'later'> {
    const { database, engine } = this.#options;
    if (row.kind === 'purge') {
      await engine.purge(row.run_id);
      return 'done';
    }
    const owner = await database.read(() => loadRun(row.run_id));
    if (!owner || isOver(owner)) return 'done';
    if (row.kind === 'start') {
      killPoint('run-started');
      const envelope = await database.read(() => toEnvelope(owner));
      await engine.startInstance(owner.run_id, owner.workflow, owner.version, envelope);
      return 'done';
    }
    if (row.kind === 'resume') {
      await engine.resume(row.run_id);
      return 'done';
    }
    const payload: unknown = JSON.parse(row.payload);
    const raised = await engine.raise(row.run_id, row.name, { n: row.event_no, token: owner.token, payload });
    // Without an instance the sweep restarts the run; the event waits.
    return raised === 'accepted' ? 'raised' : 'later';
  }
}

/**
 * What may be on its way together: the order of outcomes does not matter, since each has a name, and a wait, of its own. A
 * hundred that arrive together are one turn then, not a hundred.
 */
function* inBatches(rows: readonly Row[]): Generator<Row[]> {
  let outcomes: Row[] = [];
  for (const row of rows) {
    if (row.kind === 'raise' && isOutcome(row.name)) {
      outcomes.push(row);
      continue;
    }
    if (outcomes.length > 0) yield outcomes;
    outcomes = [];
    yield [row];
  }
  if (outcomes.length > 0) yield outcomes;
}

/** A run that is started again is told only the events that come after its start. */
function* toEnvelope(row: RunRow): Unit<Envelope> {
  const below = row.last_event === 0 ? 1 : yield* firstEvent(row.run_id);
  return {
    $mesh: 1,
    runId: row.run_id,
    generation: 0,
    token: row.token,
    // Written by insertRun from a JSON value.
    input: JSON.parse(row.input) as unknown,
    seen: { below, above: [] },
    ...(isFresh(row) ? { fresh: true } : {}),
  };
}

/** Nobody knows what an engine that was away still has: what is not known to be consumed is raised again. */
function* raiseAgain(): Unit<void> {
  yield* run(
    query
      .updateTable('outbox')
      .set({ state: 'pending', next_at: Date.now(), tries: 0 })
      .where('state', '<>', 'done')
      .compile(),
  );
}

// `state <> 'done'` is implied, and what SQLite recognizes the partial index by.
const selectDue = statement<{ now: number }, Row>((value) =>
  query
    .selectFrom('outbox')
    .selectAll()
    .where('state', '<>', 'done')
    .where('state', '=', 'pending')
    .where('next_at', '<=', value('now'))
    .orderBy('outbox_id')
    .limit(batch),
);
const selectNext = statement<{ now: number }, { next_at: number }>((value) =>
  query
    .selectFrom('outbox')
    .select('next_at')
    .where('state', '<>', 'done')
    .where('state', '=', 'pending')
    .where('next_at', '>', value('now'))
    .orderBy('next_at')
    .limit(1),
);
const updateState = statement<Pick<Row, 'outbox_id' | 'state'>, unknown>((value) =>
  query
    .updateTable('outbox')
    .set({ state: value('state') })
    .where('outbox_id', '=', value('outbox_id'))
    .where('state', '<>', 'done'),
);

function* dueRows(now: number): Unit<readonly Row[]> {
  return yield* all(selectDue({ now }));
}

function* nextDue(now: number): Unit<number | undefined> {
  const row = yield* first(selectNext({ now }));
  return row?.next_at;
}

/** `done` counts: the workflow may have consumed an event before the engine's answer was noted. */
function* markRow(row: Row, state: 'raised' | 'done'): Unit<void> {
  yield* run(updateState({ outbox_id: row.outbox_id, state }));
}

/** Moves everything of the run back, so that its order stays. */
function* postpone(row: Row, delayMs: number): Unit<void> {
  yield* run(
    query
      .updateTable('outbox')
      .set((eb) => ({ next_at: Date.now() + delayMs, tries: eb('tries', '+', 1) }))
      .where('run_id', '=', row.run_id)
      .where('state', '=', 'pending')
      .compile(),
  );
}
