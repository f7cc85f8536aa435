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

  /**
   * The first rows, up to and with the one that makes them weigh more than `maxBytes`: there may be a thousand times as
   * much, and all of it would be memory.
   */
  first(run: number, limit: number, maxBytes: number): InboxRow[] {
    let lastId = 0;
    let bytes = 0;
    // A limit that is a parameter would have SQLite plan the statement anew each time. Sizes are known without reading events.
    for (const { id, size } of this.#database.all<{ id: number; size: number }>(
      `SELECT id, length(event) AS size FROM inbox WHERE run = ? ORDER BY id LIMIT ${limit}`,
      run,
    )) {
      lastId = id;
      bytes += size;
      if (bytes > maxBytes) break;
    }
    return this.upTo(run, lastId);
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
