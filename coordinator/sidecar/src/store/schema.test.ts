import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareSchema } from './schema.ts';
import { SqliteDatabase } from './sqlite-database.ts';

const dumpOfVersion1 = readFileSync(new URL('../../test/fixtures/schema-v1.sql', import.meta.url), 'utf8');

describe('prepareSchema', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'schema-'));
    path = join(folder, 'engine.db');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const prepare = async (): Promise<void> => {
    const database = new SqliteDatabase(path, 'normal', () => {});
    try {
      prepareSchema(database);
    } finally {
      await database.close();
    }
  };
  const write = (sql: string): void => {
    using database = new DatabaseSync(path);
    database.exec(sql);
  };
  const schema = (): unknown[] => {
    using database = new DatabaseSync(path);
    const columns = database.prepare('SELECT * FROM instances LIMIT 0').columns();
    const indexes = database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' ORDER BY name").all();
    return [database.prepare('PRAGMA user_version').get(), columns.map(({ name }) => name), indexes];
  };

  it('brings a file of version 1 to what a new file has, and keeps what is in it', async () => {
    await prepare();
    const fresh = schema();
    rmSync(path);
    write(dumpOfVersion1);
    await prepare();
    expect(schema()).toEqual(fresh);
    await prepare();
    using database = new DatabaseSync(path);
    const ids = database.prepare('SELECT id FROM instances ORDER BY run').all();
    expect(ids.map(({ id }) => id)).toEqual(['over', 'active', 'child', 'later']);
  });

  it('leaves a file as it was if it cannot bring it up to date', async () => {
    write(`${dumpOfVersion1} CREATE TABLE instances_by_end (taken);`);
    await expect(prepare()).rejects.toThrow('instances_by_end');
    write('DROP TABLE instances_by_end;');
    expect(schema()[0]).toEqual({ user_version: 1 });
    await prepare();
  });

  it('refuses a file of a newer version, or of something else', async () => {
    write('PRAGMA user_version = 99;');
    await expect(prepare()).rejects.toThrow(expect.objectContaining({ code: 'DATABASE_VERSION' }));
    write('PRAGMA user_version = 0; CREATE TABLE something (else_ INTEGER);');
    await expect(prepare()).rejects.toThrow(expect.objectContaining({ code: 'DATABASE_VERSION' }));
  });
});
