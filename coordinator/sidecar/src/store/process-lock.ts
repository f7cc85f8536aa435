import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { SidecarError } from '../sidecar-error.ts';

/**
 * One process per database. The lock is an SQLite file beside it, held in exclusive mode: the operating system frees it
 * when the process dies, however it dies. The pragma alone takes no lock; the empty exclusive transaction does.
 *
 * Two rules keep it held: the handle must stay referenced (a collected handle is a closed one), and the holder must never
 * open the file any other way (closing any descriptor of a file drops the process's POSIX locks on it).
 * Who holds it is therefore written to a second file, which is only ever a hint for the error message.
 */
export class ProcessLock {
  readonly #handle: DatabaseSync;
  readonly #holderFile: string;

  constructor(databasePath: string) {
    const lockFile = `${databasePath}.lock`;
    this.#holderFile = `${lockFile}.json`;
    this.#handle = new DatabaseSync(lockFile);
    try {
      this.#handle.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
    } catch (cause) {
      this.#handle.close();
      if (!isBusy(cause)) throw cause;
      throw new SidecarError('DATABASE_LOCKED', `${databasePath} is in use by ${describeHolder(this.#holderFile)}`, {
        cause,
      });
    }
    writeFileSync(this.#holderFile, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }));
  }

  release(): void {
    // Removed while the lock is still held, so that it cannot be the next holder's.
    rmSync(this.#holderFile, { force: true });
    this.#handle.close();
  }
}

const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

function describeHolder(holderFile: string): string {
  try {
    const holder: unknown = JSON.parse(readFileSync(holderFile, 'utf8'));
    if (typeof holder === 'object' && holder !== null && 'pid' in holder && 'since' in holder) {
      return `process ${String(holder.pid)} (since ${String(holder.since)})`;
    }
  } catch {
    // The holder may be about to write the file, or just have removed it.
  }
  return 'another process';
}
