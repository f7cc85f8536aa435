import type { EncodedEvent } from '../engine/history-events.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

export interface InboxRow {
  readonly id: number;
  readonly kind: number;
  readonly event: Uint8Array;
}

/** Events that wait for a turn, in the order in which they arrived. */
export class Inbox {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  add(run: number, event: EncodedEvent): void {
    this.#database.run('INSERT INTO inbox (run, kind, event) VALUES (?, ?, ?)', run, event.kind, event.bytes);
  }

  first(run: number, limit: number): InboxRow[] {
    // A limit that is a parameter would have SQLite plan the statement anew each time.
    return this.#database.all<InboxRow>(
      `SELECT id, kind, event FROM inbox WHERE run = ? ORDER BY id LIMIT ${limit}`,
      run,
    );
  }

  /** The rows a turn was given: its batch stays the same however often it is dispatched. */
  upTo(run: number, lastId: number): InboxRow[] {
    return this.#database.all<InboxRow>(
      'SELECT id, kind, event FROM inbox WHERE run = ? AND id <= ? ORDER BY id',
      run,
      lastId,
    );
  }

  after(run: number, lastId: number): InboxRow[] {
    return this.#database.all<InboxRow>(
      'SELECT id, kind, event FROM inbox WHERE run = ? AND id > ? ORDER BY id',
      run,
      lastId,
    );
  }

  /** The last of the given two kinds within a turn's batch. */
  lastKind(run: number, lastId: number, kind: number, otherKind: number): number | undefined {
    return this.#database.get<{ kind: number }>(
      'SELECT kind FROM inbox WHERE run = ? AND id <= ? AND kind IN (?, ?) ORDER BY id DESC LIMIT 1',
      run,
      lastId,
      kind,
      otherKind,
    )?.kind;
  }

  /** The first of the given two kinds that waits. */
  firstKind(run: number, kind: number, otherKind: number): number | undefined {
    return this.#database.get<{ kind: number }>(
      'SELECT kind FROM inbox WHERE run = ? AND kind IN (?, ?) ORDER BY id LIMIT 1',
      run,
      kind,
      otherKind,
    )?.kind;
  }

  clear(run: number): void {
    this.#database.run('DELETE FROM inbox WHERE run = ?', run);
  }
}
