import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DatabaseSchema, openSqliteDatabase } from './sqlite-database.ts';
import { sqliteQueryBuilder } from './statement.ts';
import { afterCommit, all, type Database, first, run, type Unit } from './unit.ts';

interface Tables {
  notes: { id: number; text: string };
}
const db = sqliteQueryBuilder<Tables>();
const notes: DatabaseSchema = {
  component: 'notes',
  versions: ['CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)'],
};

const insert = (id: number, text: string) => run(db.insertInto('notes').values({ id, text }).compile());
function* count(): Unit<number> {
  const row = yield* first(
    db
      .selectFrom('notes')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .compile(),
  );
  return row?.n ?? 0;
}

let folder: string;
let path: string;
let database: Database;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-database-'));
  path = join(folder, 'store.db');
  database = openSqliteDatabase({ path, schemas: [notes] });
});
afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

describe('group commit', () => {
  it('commits what units wrote and returns what they returned', async () => {
    const results = await Promise.all(
      [1, 2, 3].map((id) =>
        database.write(function* (): Unit<string> {
          yield* insert(id, `note ${id}`);
          return `wrote ${id}`;
        }),
      ),
    );
    expect(results).toEqual(['wrote 1', 'wrote 2', 'wrote 3']);
    expect(await database.read(count)).toBe(3);
  });

  it('puts units that were queued together into one commit', async () => {
    const other = new DatabaseSync(path, { readOnly: true });
    const seen: unknown[] = [];
    await Promise.all(
      [1, 2, 3].map((id) =>
        database.write(function* (): Unit<void> {
          // Another connection sees a commit as a whole: nothing while the batch runs.
          seen.push(other.prepare('SELECT count(*) AS n FROM notes').get()?.['n']);
          yield* insert(id, 'x');
        }),
      ),
    );
    seen.push(other.prepare('SELECT count(*) AS n FROM notes').get()?.['n']);
    other.close();
    expect(seen).toEqual([0, 0, 0, 3]);
  });

  it('rolls back only the unit that throws', async () => {
    const outcomes = await Promise.allSettled([
      database.write(() => insert(1, 'before')),
      database.write(function* (): Unit<void> {
        yield* insert(2, 'half');
        throw new Error('refused');
      }),
      database.write(() => insert(3, 'after')),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const rows = await database.read(() => all(db.selectFrom('notes').select('id').orderBy('id').compile()));
    expect(rows.map((row) => row.id)).toEqual([1, 3]);
  });

  it('lets a unit catch a statement that fails and go on', async () => {
    await database.write(() => insert(1, 'first'));
    await database.write(function* (): Unit<void> {
      try {
        yield* insert(1, 'again');
      } catch {
        yield* insert(2, 'instead');
      }
    });
    expect(await database.read(count)).toBe(2);
  });

  it('runs callbacks after the commit, and not those of a unit that was rolled back', async () => {
    const other = new DatabaseSync(path, { readOnly: true });
    const told: string[] = [];
    const committed = (): number => Number(other.prepare('SELECT count(*) AS n FROM notes').get()?.['n']);
    await Promise.allSettled([
      database.write(function* (): Unit<void> {
        yield* insert(1, 'x');
        yield* afterCommit(() => told.push(`first sees ${committed()}`));
      }),
      database.write(function* (): Unit<void> {
        yield* afterCommit(() => told.push('never'));
        throw new Error('refused');
      }),
    ]);
    other.close();
    expect(told).toEqual(['first sees 1']);
  });

  it('shows readers no half of a batch', async () => {
    const writes = [1, 2, 3].map((id) => database.write(() => insert(id, 'x')));
    expect(await database.read(count)).toBe(0);
    await Promise.all(writes);
    expect(await database.read(count)).toBe(3);
  });

  it('commits more units than fit into one batch', async () => {
    await Promise.all(Array.from({ length: 1_200 }, (_, id) => database.write(() => insert(id, 'x'))));
    expect(await database.read(count)).toBe(1_200);
  });

  it('commits what is queued when it is closed, and refuses what comes after', async () => {
    const last = database.write(() => insert(1, 'last'));
    await database.close();
    await last;
    await expect(database.write(() => insert(2, 'too late'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await expect(database.read(count)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    database = openSqliteDatabase({ path, schemas: [notes] });
    expect(await database.read(count)).toBe(1);
  });
});

describe('a failed commit', () => {
  it('refuses everything until the database is opened again, and nothing of the batch is there', async () => {
    await database.write(() => insert(1, 'safe'));
    // A deferred foreign key fails at COMMIT and nowhere else.
    const children = 'CREATE TABLE children (parent INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)';
    await database.write(() => run(sql.raw(children).compile(db)));
    const told: string[] = [];
    const outcomes = await Promise.allSettled([
      database.write(function* (): Unit<void> {
        yield* insert(2, 'lost');
        yield* afterCommit(() => told.push('never'));
      }),
      database.write(() => run(sql`INSERT INTO children (parent) VALUES (99)`.compile(db))),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(told).toEqual([]);
    await expect(database.failed).resolves.toMatchObject({ code: 'STORE_FAILED' });
    await expect(database.write(() => insert(3, 'refused'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await expect(database.read(count)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    database = openSqliteDatabase({ path, schemas: [notes] });
    expect(await database.read(count)).toBe(1);
  });
});

describe('schemas', () => {
  it('brings an older file up to date, once, and keeps its rows', async () => {
    await database.write(() => insert(1, 'old'));
    await database.close();
    const newer: DatabaseSchema = {
      component: 'notes',
      versions: [...notes.versions, "ALTER TABLE notes ADD COLUMN tag TEXT NOT NULL DEFAULT 'none'"],
    };
    for (let opened = 0; opened < 2; opened += 1) {
      database = openSqliteDatabase({ path, schemas: [newer] });
      expect(await database.read(count)).toBe(1);
      await database.close();
    }
    database = openSqliteDatabase({ path, schemas: [newer, { component: 'other', versions: ['CREATE TABLE o (x)'] }] });
    expect(await database.read(count)).toBe(1);
  });

  it('refuses a file written by a newer release, and leaves it as it was', async () => {
    await database.close();
    const newer = { component: 'notes', versions: [...notes.versions, 'ALTER TABLE notes ADD COLUMN tag TEXT'] };
    await openSqliteDatabase({ path, schemas: [newer] }).close();
    expect(() => openSqliteDatabase({ path, schemas: [notes] })).toThrowError(/cannot open/);
    database = openSqliteDatabase({ path, schemas: [newer] });
    expect(await database.read(count)).toBe(0);
  });
});

describe('one process per database', () => {
  it('refuses a second opening and says who holds it', async () => {
    expect(() => openSqliteDatabase({ path, schemas: [notes] })).toThrowError(
      expect.objectContaining({ code: 'DATABASE_LOCKED' }),
    );
    await database.close();
    database = openSqliteDatabase({ path, schemas: [notes] });
    expect(await database.read(count)).toBe(0);
  });

  it('refuses another process, and is free again after that one was killed', async () => {
    const script = `
      import { openSqliteDatabase } from ${JSON.stringify(new URL('sqlite-database.ts', import.meta.url).href)};
      globalThis.database = openSqliteDatabase({ path: ${JSON.stringify(join(folder, 'other.db'))} });
      process.send('open');
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(child, 'message');
    const open = (): Database => openSqliteDatabase({ path: join(folder, 'other.db') });
    expect(open).toThrowError(
      expect.objectContaining({ code: 'DATABASE_LOCKED', message: expect.stringContaining(`pid ${child.pid}`) }),
    );
    child.kill('SIGKILL');
    await once(child, 'exit');
    await open().close();
  });
});
