import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { MeshError } from '../../mesh-error.ts';
import { lockDatabase } from './database-lock.ts';
import type { Database, Step, StepResult, Unit } from './unit.ts';

/**
 * `node:sqlite` with group commit. Units queue up while the event loop is busy and then run in one transaction, each in
 * a savepoint of its own; their promises settle after the COMMIT returned. The whole batch runs in one synchronous
 * stretch, so no read ever sees what is not committed.
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

type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

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
      `PRAGMA journal_mode=WAL; PRAGMA synchronous=${options.durability === 'normal' ? 'NORMAL' : 'FULL'}; PRAGMA foreign_keys=ON; PRAGMA cache_size=-8000; PRAGMA wal_autocheckpoint=4000`,
    );
    migrate(handle, options.schemas ?? []);
    return new SqliteDatabase(handle, lock);
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

class SqliteDatabase implements Database {
  readonly #handle: DatabaseSync;
  readonly #lock: Disposable;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #statements = new Map<string, { statement: StatementSync; reads: boolean }>();
  #queue: Queued[] = [];
  #scheduled = false;
  #failure: MeshError | undefined;
  readonly #failed = Promise.withResolvers<MeshError>();

  constructor(handle: DatabaseSync, lock: Disposable) {
    this.#handle = handle;
    this.#lock = lock;
    this.#begin = handle.prepare('BEGIN IMMEDIATE');
    this.#commit = handle.prepare('COMMIT');
    this.#savepoint = handle.prepare('SAVEPOINT unit');
    this.#release = handle.prepare('RELEASE unit');
  }

  get failed(): Promise<MeshError> {
    return this.#failed.promise;
  }

  write<T>(unit: () => Unit<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      // The queue erases T; `resolve` gets exactly what this unit returned.
      this.#queue.push({ unit, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  async read<T>(unit: () => Unit<T>): Promise<T> {
    if (this.#failure) throw this.#failure;
    return this.#drive(unit(), []);
  }

  async close(): Promise<void> {
    if (this.#queue.length > 0) this.#flush();
    if (!this.#failure) {
      this.#failure = new MeshError('STORE_FAILED', 'the database is closed');
      this.#statements.clear();
      this.#handle.close();
      this.#lock[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#queue.length > 0) this.#flush();
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #flush(): void {
    const batch = this.#queue.splice(0, maxBatch);
    const callbacks: (() => void)[] = [];
    let outcomes: Outcome[];
    try {
      this.#begin.run();
      outcomes = batch.map(({ unit }) => this.#runInSavepoint(unit, callbacks));
      this.#commit.run();
    } catch (cause) {
      this.#fail(batch, cause);
      return;
    }
    for (const [index, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome?.ok) resolve(outcome.value);
      else reject(outcome?.error);
    }
    for (const callback of callbacks) runCallback(callback);
  }

  #runInSavepoint(unit: () => Unit<unknown>, callbacks: (() => void)[]): Outcome {
    const own: (() => void)[] = [];
    this.#savepoint.run();
    try {
      const value = this.#drive(unit(), own);
      this.#release.run();
      callbacks.push(...own);
      return { ok: true, value };
    } catch (error) {
      this.#handle.exec('ROLLBACK TO unit');
      this.#release.run();
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
  #fail(batch: readonly Queued[], cause: unknown): void {
    this.#failure = new MeshError('STORE_FAILED', 'a commit failed; the process must restart and recover', { cause });
    for (const { reject } of [...batch, ...this.#queue.splice(0)]) reject(this.#failure);
    this.#handle.close();
    this.#lock[Symbol.dispose]();
    this.#failed.resolve(this.#failure);
  }
}
