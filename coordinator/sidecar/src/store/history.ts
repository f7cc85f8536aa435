import type { SqliteDatabase } from './sqlite-database.ts';

/** What happened in the present generation of a run, as encoded events. */
export class History {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  events(run: number): Uint8Array[] {
    const rows = this.#database.all<{ event: Uint8Array }>('SELECT event FROM history WHERE run = ? ORDER BY seq', run);
    return rows.map((row) => row.event);
  }

  last(run: number): Uint8Array | undefined {
    return this.#database.get<{ event: Uint8Array }>(
      'SELECT event FROM history WHERE run = ? ORDER BY seq DESC LIMIT 1',
      run,
    )?.event;
  }

  append(run: number, seq: number, event: Uint8Array): void {
    this.#database.run('INSERT INTO history (run, seq, event) VALUES (?, ?, ?)', run, seq, event);
  }

  clear(run: number): void {
    this.#database.run('DELETE FROM history WHERE run = ?', run);
  }
}
