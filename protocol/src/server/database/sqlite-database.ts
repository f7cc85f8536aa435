import { closeSync, fdatasync, mkdirSync, openSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { MeshError } from '../../mesh-error.ts';
import { lockDatabase } from './database-lock.ts';
import type { Database, Step, StepResult, Unit } from './unit.ts';

/**
 * `node:sqlite` with group commit. Units queue up while the event loop is busy and then run in one transaction; their
 * promises settle once it is durable. The whole batch runs in one synchronous stretch, so no read ever sees what is not
 * committed.
 *
 * With `full`, the disk is waited for beside the event loop: SQLite commits to its log without syncing it (and with
 * `synchronous=NORMAL` still syncs wherever a checkpoint's order depends on it), then the log is synced here, and only
 * then the batch is settled and the next one begun. A read that saw what is being synced is answered after it.
 */

/** How {@link openSqliteDatabase} opens a database. */
export interface SqliteDatabaseOptions {
  /** The file; its folder is created. */
  path: string;
  /** `full` (default): a commit survives a power loss. `normal`: it survives a crash of the process. */
  durability?: 'full' | 'normal';
  /** The schemas of all components that keep tables in this file; brought up to date before the first unit. */
  schemas?: readonly DatabaseSchema[];
}

/** The tables of one component: SQL scripts, the n-th of which leads from version n-1 to n. Never edit a released one. */
export interface DatabaseSchema {
  component: string;
  versions: readonly string[];
}

interface Queued {
  readonly unit: () => Unit<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

type Outcome =
  | { readonly ok: true; readonly value: unknown; readonly callbacks: readonly (() => void)[] }
  | { readonly ok: false; readonly error: unknown };

const noRows: StepResult = { rows: [], changes: 0 };
const maxCachedStatements = 500;
const maxBatch = 512;

/**
 * Opens a database file for this process alone.
 * @throws MeshError `DATABASE_LOCKED` when another process has it open, `STORE_FAILED` when it cannot be read.
 */
export function openSqliteDatabase(options: SqliteDatabaseOptions): Database {
  mkdirSync(dirname(options.path), { recursive: true });
  const lock = lockDatabase(options.path);
  let handle: DatabaseSync | undefined;
  try {
    handle = new DatabaseSync(options.path);
    handle.exec(
      'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-8000; PRAGMA wal_autocheckpoint=4000',
    );
    migrate(handle, options.schemas ?? []);
    const log = options.durability === 'normal' ? undefined : new SqliteLog(options.path);
    return new SqliteDatabase(handle, lock, log);
  } catch (cause) {
    handle?.close();
    lock[Symbol.dispose]();
    throw new MeshError('STORE_FAILED', `cannot open the database ${options.path}`, { cause });
  }
}

function migrate(handle: DatabaseSync, schemas: readonly DatabaseSchema[]): void {
  handle.exec('BEGIN IMMEDIATE');
  try {
    handle.exec('CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL)');
    const find = handle.prepare('SELECT version FROM schema_versions WHERE component = ?');
    const save = handle.prepare('INSERT OR REPLACE INTO schema_versions (component, version) VALUES (?, ?)');
    for (const { component, versions } of schemas) {
      const current = Number(find.get(component)?.['version'] ?? 0);
      if (current > versions.length) throw new Error(`the tables of ${component} were written by a newer release`);
      for (const sql of versions.slice(current)) handle.exec(sql);
      save.run(component, versions.length);
    }
    handle.exec('COMMIT');
  } catch (error) {
    handle.exec('ROLLBACK');
    throw error;
  }
}

/** A callback that throws is a fault of the program and ends it as such, but not before the others were told. */
function runCallback(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

const datasync = promisify(fdatasync);

/**
 * The write-ahead log of a database that is open: the same file for as long as it is. It is opened before the first commit,
 * since an error of the disk is reported to those alone who had the file open.
 */
class SqliteLog implements Disposable {
  readonly #fd: number;

  constructor(databasePath: string) {
    // Beside the file itself, not beside a link to it. For writing too: not every system syncs what is only read.
    this.#fd = openSync(`${realpathSync(databasePath)}-wal`, 'r+');
  }

  sync(): Promise<void> {
    return datasync(this.#fd);
  }

  /** Not during a sync: the descriptor may be another file's at once. */
  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

class SqliteDatabase implements Database {
  readonly #handle: DatabaseSync;
  readonly #lock: Disposable;
  readonly #log: SqliteLog | undefined;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #statements = new Map<string, { statement: StatementSync; reads: boolean }>();
  #queue: Queued[] = [];
  /** A batch is about to be committed, or waits for the disk. */
  #isUnderWay = false;
  /** Of the batch that waits for the disk: resolves with what went wrong, if anything did. */
  #syncing: Promise<MeshError | undefined> | undefined;
  /** Why nothing is taken any more. */
  #refusal: MeshError | undefined;
  #closing: Promise<void> | undefined;
  readonly #failed = Promise.withResolvers<MeshError>();

  constructor(handle: DatabaseSync, lock: Disposable, log: SqliteLog | undefined) {
    this.#handle = handle;
    this.#lock = lock;
    this.#log = log;
    this.#begin = handle.prepare('BEGIN IMMEDIATE');
    this.#commit = handle.prepare('COMMIT');
    this.#rollback = handle.prepare('ROLLBACK');
  }

  get failed(): Promise<MeshError> {
    return this.#failed.promise;
  }

  write<T>(unit: () => Unit<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#refusal) {
        reject(this.#refusal);
        return;
      }
      // The queue erases T; `resolve` gets exactly what this unit returned.
      this.#queue.push({ unit, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  async read<T>(unit: () => Unit<T>): Promise<T> {
    if (this.#refusal) throw this.#refusal;
    try {
      return this.#drive(unit(), []);
    } finally {
      // Errors wait too: that something is not there may be what is being synced.
      if (this.#syncing) await this.#onDisk();
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#refusal ??= new MeshError('STORE_FAILED', 'the database is closed');
    while (this.#syncing || this.#queue.length > 0) {
      if (this.#syncing) await this.#syncing;
      else this.#flush();
    }
    this.#letGo();
  }

  async #onDisk(): Promise<void> {
    const failure = await this.#syncing;
    if (failure) throw failure;
  }

  #schedule(): void {
    if (this.#isUnderWay || this.#queue.length === 0) return;
    this.#isUnderWay = true;
    setImmediate(() => this.#flush());
  }

  /** Commits a batch; once it is durable it is settled, and the next one is begun. */
  #flush(): void {
    if (this.#queue.length === 0 || this.#syncing) return;
    const batch = this.#queue.splice(0, maxBatch);
    let outcomes: Outcome[];
    try {
      outcomes = this.#transact(batch);
    } catch (cause) {
      this.#fail(batch, cause);
      return;
    }
    const settle = (): undefined => {
      this.#syncing = undefined;
      this.#isUnderWay = false;
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index];
        if (outcome?.ok) resolve(outcome.value);
        else reject(outcome?.error);
      }
      for (const outcome of outcomes) if (outcome.ok) outcome.callbacks.forEach(runCallback);
      this.#schedule();
    };
    if (this.#log) {
      this.#syncing = this.#log.sync().then(settle, (cause: unknown) => {
        this.#syncing = undefined;
        return this.#fail(batch, cause);
      });
    } else settle();
  }

  /**
   * Commits units in one transaction. Where one throws, nothing of that stays, and each is run again in a transaction of its
   * own: throwing is rare, and a savepoint for each unit, which undoes it alone, costs a tenth of a process under load.
   */
  #transact(batch: readonly Queued[]): Outcome[] {
    this.#begin.run();
    const outcomes: Outcome[] = [];
    for (const { unit } of batch) {
      const outcome = this.#run(unit);
      if (!outcome.ok) {
        this.#rollback.run();
        return batch.length === 1 ? [outcome] : batch.flatMap((queued) => this.#transact([queued]));
      }
      outcomes.push(outcome);
    }
    this.#commit.run();
    return outcomes;
  }

  #run(unit: () => Unit<unknown>): Outcome {
    const callbacks: (() => void)[] = [];
    try {
      return { ok: true, value: this.#drive(unit(), callbacks), callbacks };
    } catch (error) {
      return { ok: false, error };
    }
  }

  #drive<T>(unit: Unit<T>, callbacks: (() => void)[]): T {
    let next = unit.next();
    while (!next.done) {
      let result: StepResult;
      try {
        result = this.#execute(next.value, callbacks);
      } catch (error) {
        next = unit.throw(error);
        continue;
      }
      next = unit.next(result);
    }
    return next.value;
  }

  #execute(step: Step, callbacks: (() => void)[]): StepResult {
    if (step.kind === 'after-commit') {
      callbacks.push(step.run);
      return noRows;
    }
    const { statement, reads } = this.#prepare(step.query.sql);
    // Kysely's parameters are whatever the query was given; only values SQLite can bind are ever passed.
    const parameters = step.query.parameters as SQLInputValue[];
    if (reads) return { rows: statement.all(...parameters), changes: 0 };
    return { rows: [], changes: Number(statement.run(...parameters).changes) };
  }

  #prepare(sql: string): { statement: StatementSync; reads: boolean } {
    const cached = this.#statements.get(sql);
    if (cached) return cached;
    const statement = this.#handle.prepare(sql);
    const prepared = { statement, reads: statement.columns().length > 0 };
    if (this.#statements.size >= maxCachedStatements) this.#statements.clear();
    this.#statements.set(sql, prepared);
    return prepared;
  }

  /** After a failed commit nobody knows what is on disk: everything is refused until the file is opened again. */
  #fail(batch: readonly Queued[], cause: unknown): MeshError {
    const failure = new MeshError('STORE_FAILED', 'a commit failed; the process must restart and recover', { cause });
    this.#refusal = failure;
    for (const { reject } of [...batch, ...this.#queue.splice(0)]) reject(failure);
    this.#failed.resolve(failure);
    this.#letGo();
    return failure;
  }

  #letGo(): void {
    if (!this.#handle.isOpen) return;
    this.#statements.clear();
    this.#handle.close();
    this.#lock[Symbol.dispose]();
    this.#log?.[Symbol.dispose]();
  }
}
