import { first, run, type Unit } from '@daca-mesh/protocol/server';
import { query } from './records-tables.ts';

/**
 * Makes a write under a key, once: inserting the key decides. Whoever comes again with the key gets the first answer.
 * Key, effect and answer are one commit.
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
