import type { DatabaseSchema } from './database/sqlite-database.ts';
import { sqliteQueryBuilder } from './database/statement.ts';
import { first, run, type Unit } from './database/unit.ts';

/** What each write answered, by the caller's key: the insert of the key decides who writes. */
export const writesSchema: DatabaseSchema = {
  component: 'writes',
  versions: [
    `CREATE TABLE IF NOT EXISTS writes (
      write_key TEXT PRIMARY KEY, result TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  ],
};

const query = sqliteQueryBuilder<{ writes: { write_key: string; result: string; at: number } }>();

/**
 * Makes a write under a key (`task.idempotencyKey`), once: inserting the key decides. Whoever comes again with the key
 * gets the first answer. Key, effect and answer are one commit; a write that throws leaves the key free.
 * @param write is given the time of the commit, in milliseconds since the epoch.
 */
export function* writeOnce<T>(key: string, write: (at: number) => Unit<T>): Unit<T> {
  const at = Date.now();
  const inserted = yield* run(
    query
      .insertInto('writes')
      .values({ write_key: key, result: '', at })
      .onConflict((conflict) => conflict.doNothing())
      .compile(),
  );
  if (inserted === 0) {
    const earlier = yield* first(query.selectFrom('writes').select('result').where('write_key', '=', key).compile());
    // The row holds what the same operation returned the first time.
    return JSON.parse(earlier?.result ?? 'null') as T;
  }
  const result = yield* write(at);
  yield* run(
    query
      .updateTable('writes')
      .set({ result: JSON.stringify(result) })
      .where('write_key', '=', key)
      .compile(),
  );
  return result;
}
