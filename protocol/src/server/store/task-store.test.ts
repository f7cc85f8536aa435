import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { openSqliteDatabase } from '../database/sqlite-database.ts';
import { describeTaskStoreContract } from '../testing/task-store-contract.ts';
import { taskStore } from './kysely-task-store.ts';
import { statements } from './task-statements.ts';
import { taskSchema } from './task-tables.ts';

describeTaskStoreContract('node:sqlite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-store-'));
  const database = openSqliteDatabase({ path: join(folder, 'store.db'), schemas: [taskSchema] });
  return {
    database,
    store: taskStore,
    close: async () => {
      await database.close();
      await rm(folder, { recursive: true });
    },
  };
});

it('finds everything by an index, so that a step costs the same with many stored tasks', () => {
  const database = new DatabaseSync(':memory:');
  for (const sql of taskSchema.versions) database.exec(sql);
  const values = new Proxy({}, { get: () => 1 });
  for (const [name, build] of Object.entries(statements)) {
    // Every statement takes named values; which ones does not matter for its plan.
    const query = (build as (values: object) => { sql: string; parameters: readonly unknown[] })(values);
    if (/^insert/iu.test(query.sql)) continue;
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${query.sql}`).all(...query.parameters.map(String));
    const scans = plan.filter(
      (row) => /^SCAN (?!\(subquery)/u.test(String(row['detail'])) && !String(row['detail']).includes('INDEX'),
    );
    expect({ [name]: scans }).toEqual({ [name]: [] });
  }
  database.close();
});
