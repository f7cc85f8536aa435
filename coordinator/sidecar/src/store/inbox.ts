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
    let bytes = 0;
    let count = 0;
    return this.#database.until<InboxRow>(
      'SELECT id, kind, event FROM inbox WHERE run = ? ORDER BY id',
      ({ event }) => (bytes += event.length) > maxBytes || ++count === limit,
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

  /** The same rows, which wait no longer. */
  take(run: number, lastId: number): InboxRow[] {
    const rows = this.upTo(run, lastId);
    this.#database.run('DELETE FROM inbox WHERE run = ? AND id <= ?', run, lastId);
    return rows;
  }

  all(run: number): InboxRow[] {
    return this.upTo(run, Number.MAX_SAFE_INTEGER);
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
