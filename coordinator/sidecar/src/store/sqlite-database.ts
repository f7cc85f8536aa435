import { closeSync, fdatasync, openSync, realpathSync, statSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { SidecarError } from '../sidecar-error.ts';

/**
 * How much a commit waits for. `full`: the disk; survives power loss. `normal`: the operating system; survives `kill -9`
 * of the process, but a power loss may take the last commits with it (never a part of one).
 */
export type Durability = 'full' | 'normal';

interface PendingUnit {
  /** Does the work and remembers how it ended; whether it did not throw. */
  run(): boolean;
  /** Tells the caller what run() remembered. */
  settle(): void;
  fail(error: SidecarError): void;
}

const unsettled = (): void => {};

/** SQLite's primary codes for a file that cannot be read or written as it should: nobody's request is to blame. */
const FILE_FAULTS: ReadonlySet<number> = new Set([
  8, // SQLITE_READONLY
  10, // SQLITE_IOERR
  11, // SQLITE_CORRUPT
  13, // SQLITE_FULL
  14, // SQLITE_CANTOPEN
  26, // SQLITE_NOTADB
]);

function isFileFault(error: unknown): boolean {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return false;
  // The low byte is the primary code of an extended one.
  return FILE_FAULTS.has(error.errcode & 0xff);
}

/**
 * The engine's only way to disk. Writes are units of work; all units that were asked for within one turn of the event
 * loop share one BEGIN…COMMIT and so one wait for the disk.
 *
 * The disk is waited for beside the event loop: SQLite commits to its log without syncing it (`synchronous=NORMAL` still
 * syncs wherever a checkpoint's order depends on it), then the log is synced here. Groups follow one another.
 *
 * The rule everything else rests on: a unit's promise settles only once its group is on disk. When that fails nobody knows
 * what is there, so every unit of the group fails and nothing is read or written any more until the process is restarted.
 */
export class SqliteDatabase {
  readonly #handle: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #onFailed: (error: SidecarError) => void;
  readonly #log: SqliteLog | undefined;
  #pending: PendingUnit[] = [];
  /** A group is about to be committed, or waits for the disk. */
  #isUnderWay = false;
  #syncing: Promise<void> | undefined;
  #failure: SidecarError | undefined;
  #isCommitting = false;
  #closing: Promise<void> | undefined;

  constructor(path: string, durability: Durability, onFailed: (error: SidecarError) => void) {
    refuseLostFile(path);
    this.#handle = new DatabaseSync(path);
    this.#onFailed = onFailed;
    // A transaction, if an empty one, is what makes the log.
    this.#handle.exec(
      'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000; PRAGMA wal_autocheckpoint=4000; BEGIN IMMEDIATE; COMMIT',
    );
    this.#log = durability === 'full' ? new SqliteLog(path) : undefined;
  }

  /**
   * Runs `work` in the next group commit. It must be synchronous and touch nothing but the database: where another unit of
   * the group throws, it is run again.
   */
  transact<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const refusal = this.#failure ?? (this.#closing && closed());
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      let settle = unsettled;
      this.#pending.push({
        run: () => {
          try {
            const value = work();
            settle = () => resolve(value);
            return true;
          } catch (error) {
            if (isFileFault(error)) throw error;
            settle = () => reject(error);
            return false;
          }
        },
        settle: () => settle(),
        fail: reject,
      });
      this.#schedule();
    });
  }

  /** What `work` reads, for those outside: once all of it is on disk. @throws SidecarError `DATABASE_FAILED` if that fails. */
  async read<T>(work: () => T): Promise<T> {
    try {
      return work();
    } finally {
      // Errors wait too: that something is not there may be what is being synced.
      await this.#onDisk();
    }
  }

  /** Does `work`, which shows to those outside what it reads: now, or once all of it is on disk; never if that fails. */
  whenDurable(work: () => void): void {
    if (this.#syncing === undefined) work();
    // Whoever is to know of a failure is told of it as such.
    else this.#onDisk().then(work, () => {});
  }

  /** Commits what is pending, unless a group waits for the disk; once it is there, the next one begins by itself. */
  flush(): void {
    if (this.#pending.length === 0 || this.#syncing !== undefined || this.#failure !== undefined) return;
    const units = this.#pending.splice(0);
    this.#isCommitting = true;
    try {
      this.#runTogether(units);
    } catch (cause) {
      this.#fail(cause, units);
      return;
    } finally {
      this.#isCommitting = false;
    }
    const settle = (): void => {
      this.#syncing = undefined;
      this.#isUnderWay = false;
      // Refusals wait for the disk too: their reason may be something another unit of the group has just written.
      for (const unit of units) unit.settle();
      this.#schedule();
    };
    if (this.#log === undefined) {
      settle();
      return;
    }
    this.#syncing = this.#log.sync().then(settle, (cause: unknown) => {
      this.#syncing = undefined;
      this.#fail(cause, units);
    });
  }

  run(sql: string, ...values: SQLInputValue[]): { changes: number; lastInsertRowid: number } {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...values);
    return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) };
  }

  /** @typeParam R the columns that `sql` selects; the caller vouches for them. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- names the row at the call, where the select list is
  get<R>(sql: string, ...values: SQLInputValue[]): R | undefined {
    // SQLite types are dynamic; the STRICT tables and the select list make R true.
    return this.#attempt(() => this.#statement(sql).get(...values)) as R | undefined;
  }

  /** @typeParam R the columns that `sql` selects; the caller vouches for them. */
  all<R>(sql: string, ...values: SQLInputValue[]): R[] {
    // As in get().
    return this.#attempt(() => this.#statement(sql).all(...values)) as R[];
  }

  /**
   * The first rows, up to and with the one that `isEnough` accepts; those after it are not read.
   * @typeParam R the columns that `sql` selects; the caller vouches for them.
   */
  until<R>(sql: string, isEnough: (row: R) => boolean, ...values: SQLInputValue[]): R[] {
    return this.#attempt(() => {
      const rows: R[] = [];
      // As in get().
      for (const row of this.#statement(sql).iterate(...values) as Iterable<R>) {
        rows.push(row);
        if (isEnough(row)) break;
      }
      return rows;
    });
  }

  /** Several statements without values, outside of any unit: schema set-up only. */
  exec(sql: string): void {
    this.#handle.exec(sql);
  }

  /** Commits what is pending, and closes. Repeatable. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    while (this.#syncing !== undefined || (this.#pending.length > 0 && this.#failure === undefined)) {
      if (this.#syncing === undefined) this.flush();
      else await this.#syncing;
    }
    this.#failure ??= closed();
    this.#statements.clear();
    this.#handle.close();
    this.#log?.[Symbol.dispose]();
  }

  async #onDisk(): Promise<void> {
    await this.#syncing;
    if (this.#failure?.code === 'DATABASE_FAILED') throw this.#failure;
  }

  #statement(sql: string): StatementSync {
    if (this.#failure !== undefined) throw this.#failure;
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#handle.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** A read that meets a damaged file fails everything, as a commit does; within a commit, the commit does that. */
  #attempt<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (this.#isCommitting || !isFileFault(error)) throw error;
      this.#fail(error);
      throw this.#failure ?? error;
    }
  }

  #schedule(): void {
    if (this.#isUnderWay || this.#pending.length === 0) return;
    this.#isUnderWay = true;
    // setImmediate runs after the sockets of this loop turn were read, so requests that arrived together share a commit.
    setImmediate(() => this.flush());
  }

  /**
   * Commits units in one transaction. Where one throws, nothing of that stays, and each is run again in a transaction of its
   * own: throwing is rare, and a savepoint for each unit, which undoes it alone, costs a tenth of a process under load.
   */
  #runTogether(units: readonly PendingUnit[]): void {
    this.run('BEGIN IMMEDIATE');
    if (units.every((unit) => unit.run())) {
      this.run('COMMIT');
      return;
    }
    // Throws if SQLite already rolled the whole transaction back (disk full, I/O error): then all units fail.
    this.run('ROLLBACK');
    if (units.length > 1) for (const unit of units) this.#runTogether([unit]);
  }

  #fail(cause: unknown, units: PendingUnit[] = []): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `the database failed (${reason}); restart to recover from disk`;
    const earlier = this.#failure;
    const failure = (this.#failure = earlier ?? new SidecarError('DATABASE_FAILED', message, { cause }));
    const failed = [...units, ...this.#pending.splice(0)];
    try {
      this.#handle.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself.
    }
    for (const unit of failed) unit.fail(failure);
    if (earlier === undefined) this.#onFailed(failure);
  }
}

const closed = (): SidecarError => new SidecarError('CLOSED', 'the sidecar is closed');

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

/**
 * An empty file is a new database to SQLite, which then deletes the log of the old one. A log beside an empty file is what
 * is left when somebody truncated the file, and may still be of use.
 */
function refuseLostFile(path: string): void {
  if (sizeOf(path) === 0 && sizeOf(`${path}-wal`) > 0) {
    throw new SidecarError('DATABASE_UNAVAILABLE', `${path} is empty or missing, but the log beside it (-wal) is not`);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
