import type { SqliteDatabase } from './sqlite-database.ts';

/** The timer row that stands for a scheduled start; workflow timers count from 1. */
export const START_TIMER_ID = 0;

export interface TimerRow {
  readonly run: number;
  readonly timerId: number;
  /** What goes to the inbox when it is due; null for a scheduled start. */
  readonly event: Uint8Array | null;
}

/** Timers that have not fired. They are rows only: a million parked ones cost no memory. */
export class TimerStore {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  insert(run: number, timerId: number, fireAtMs: number, event: Uint8Array | null): void {
    this.#database.run(
      'INSERT INTO timers (run, timer_id, fire_at, event) VALUES (?, ?, ?, ?)',
      run,
      timerId,
      fireAtMs,
      event,
    );
  }

  earliest(): number | undefined {
    return this.#database.get<{ at: number | null }>('SELECT min(fire_at) AS at FROM timers')?.at ?? undefined;
  }

  takeDue(now: number, limit: number): TimerRow[] {
    const due = this.#database.all<TimerRow>(
      'SELECT run, timer_id AS timerId, event FROM timers WHERE fire_at <= ? ORDER BY fire_at LIMIT ?',
      now,
      limit,
    );
    for (const { run, timerId } of due) {
      this.#database.run('DELETE FROM timers WHERE run = ? AND timer_id = ?', run, timerId);
    }
    return due;
  }

  clear(run: number): void {
    this.#database.run('DELETE FROM timers WHERE run = ?', run);
  }
}
