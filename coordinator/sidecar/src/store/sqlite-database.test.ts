import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SqliteDatabase } from './sqlite-database.ts';

describe('SqliteDatabase', () => {
  let folder: string;
  let path: string;
  let database: SqliteDatabase;
  const onFailed = vi.fn<(error: Error) => void>();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sidecar-'));
    path = join(folder, 'test.db');
    onFailed.mockClear();
    database = new SqliteDatabase(path, 'normal', onFailed);
    database.exec(`
      CREATE TABLE items (value INTEGER);
      CREATE TABLE owners (id INTEGER PRIMARY KEY);
      CREATE TABLE owned (owner INTEGER REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED);`);
  });
  afterEach(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const insert = (value: number) =>
    database.transact(() => database.run('INSERT INTO items (value) VALUES (?)', value).changes);
  /** Passes as a statement, and makes COMMIT itself fail. */
  const insertOrphan = () => database.transact(() => database.run('INSERT INTO owned (owner) VALUES (1)'));
  const seenFromOutside = (): unknown[] => {
    using other = new DatabaseSync(path, { readOnly: true });
    return other
      .prepare('SELECT value FROM items ORDER BY value')
      .all()
      .map((row) => row['value']);
  };

  it('settles a unit only when others can see what it wrote', async () => {
    let seen: unknown[] | undefined;
    const unit = insert(1).then(() => (seen = seenFromOutside()));
    expect(seenFromOutside()).toEqual([]);
    await unit;
    expect(seen).toEqual([1]);
  });

  it('runs units in the order they were asked for, and commits them together', async () => {
    const counts: unknown[] = [];
    const units = [1, 2, 3].map((value) => insert(value).then(() => counts.push(seenFromOutside().length)));
    await Promise.all(units);
    expect(counts).toEqual([3, 3, 3]);
  });

  it('undoes a unit that throws, and no other of its group', async () => {
    const before = insert(1);
    const broken = database.transact(() => {
      database.run('INSERT INTO items (value) VALUES (2)');
      throw new Error('no');
    });
    const after = insert(3);
    await expect(broken).rejects.toThrow('no');
    await Promise.all([before, after]);
    expect(seenFromOutside()).toEqual([1, 3]);
    expect(onFailed).not.toHaveBeenCalled();
  });

  it('fails the whole group when COMMIT fails, and everything afterwards', async () => {
    await insert(1);
    const failed = { code: 'DATABASE_FAILED' };
    const refused = database.transact(() => {
      throw new Error('its reason may never have been true');
    });
    const group = [insert(2), refused, insertOrphan(), insert(3)];
    for (const unit of group) await expect(unit).rejects.toMatchObject(failed);
    expect(onFailed).toHaveBeenCalledTimes(1);
    // Where one of a group throws, each has a transaction of its own.
    expect(seenFromOutside()).toEqual([1, 2]);
    await expect(insert(4)).rejects.toMatchObject(failed);
    expect(() => database.all('SELECT value FROM items')).toThrow('restart to recover');
    expect(seenFromOutside()).toEqual([1, 2]);
  });
});
