import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir, mkdtemp, open, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { breakLog } from '../../testing/break-log.ts';
import { openSqliteDatabase } from './sqlite-database.ts';
import { sqliteQueryBuilder } from './statement.ts';
import { afterCommit, type Database, first, run, type Unit } from './unit.ts';

const db = sqliteQueryBuilder<{ notes: { id: number } }>();
const notes = { component: 'notes', versions: ['CREATE TABLE notes (id INTEGER PRIMARY KEY)'] };
const insert = (id: number) => run(sql`INSERT INTO notes (id) VALUES (${id})`.compile(db));
function* count(): Unit<number> {
  const row = yield* first(sql<{ n: number }>`SELECT count(*) AS n FROM notes`.compile(db));
  return row?.n ?? 0;
}
// oxlint-disable-next-line require-yield -- a unit that needs no statement to know
function* refuse(): Unit<never> {
  throw new Error('not there');
}

/** Ends what {@link holdDisk} began. */
let release = async (): Promise<void> => {};

/** Keeps the threads on which the disk is waited for busy: with a pipe that nobody writes to. */
function holdDisk(folder: string): void {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  // More than there are threads; what is asked of them afterwards comes after all of these.
  const readers = Array.from({ length: 32 }, () => open(pipe, 'r'));
  let isHeld = true;
  release = async () => {
    if (!isHeld) return;
    isHeld = false;
    const writer = openSync(pipe, constants.O_RDWR);
    for (const reader of await Promise.all(readers)) await reader.close();
    closeSync(writer);
  };
}

let folder: string;
let path: string;
let database: Database;
const reopen = (): Database => openSqliteDatabase({ path, schemas: [notes] });
const committed = (): unknown => {
  using other = new DatabaseSync(path, { readOnly: true });
  return other.prepare('SELECT count(*) AS n FROM notes').get()?.['n'];
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-disk-'));
  path = join(folder, 'store.db');
  database = reopen();
});
afterEach(async () => {
  await release();
  await database.close();
  await rm(folder, { recursive: true });
});

describe.skipIf(process.platform !== 'linux')('while the disk is waited for', () => {
  it('nothing is said of what is not on it, and what comes meanwhile is committed after it', async () => {
    const told: string[] = [];
    holdDisk(folder);
    const tell = (what: string) => () => void told.push(what);
    const write = database
      .write(function* (): Unit<void> {
        yield* insert(1);
        yield* afterCommit(tell('after commit'));
      })
      .then(tell('write'));
    const refused = database.write(refuse).catch(tell('refused write'));
    await vi.waitFor(() => expect(committed()).toBe(1));
    const reads = [database.read(count).then(tell('read')), database.read(refuse).catch(tell('refused read'))];
    const next = database.write(() => insert(2)).then(tell('next'));
    // Far longer than any of them takes once it may go on.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toEqual([]);
    expect(committed()).toBe(1);
    await release();
    await Promise.all([write, refused, ...reads, next]);
    expect(told.indexOf('after commit')).toBe(0);
    expect(told.at(-1)).toBe('next');
    expect(told).toHaveLength(6);
  });

  it('closing waits too, and commits what was queued', async () => {
    holdDisk(folder);
    const write = database.write(() => insert(1));
    await vi.waitFor(() => expect(committed()).toBe(1));
    const queued = database.write(() => insert(2));
    const closing = [database.close(), database.close()];
    await expect(database.write(() => insert(3))).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(() => reopen()).toThrow(expect.objectContaining({ code: 'DATABASE_LOCKED' }));
    await release();
    await Promise.all([...closing, write, queued]);
    database = reopen();
    expect(await database.read(count)).toBe(2);
  });

  it('fails all who waited when the disk does, and is free to be opened again', async () => {
    await database.write(() => insert(1));
    holdDisk(folder);
    const told: string[] = [];
    const failing = [
      database.write(function* (): Unit<void> {
        yield* insert(2);
        yield* afterCommit(() => told.push('never'));
      }),
    ];
    await vi.waitFor(() => expect(committed()).toBe(2));
    failing.push(
      database.read(count).then(() => {}),
      database.write(() => insert(3)).then(() => {}),
    );
    breakLog(path);
    const outcomes = Promise.allSettled(failing);
    await release();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'STORE_FAILED', cause: { code: 'EINVAL' } },
      });
    }
    expect(told).toEqual([]);
    await expect(database.failed).resolves.toMatchObject({ code: 'STORE_FAILED' });
    await expect(database.read(count)).rejects.toMatchObject({ code: 'STORE_FAILED' });
    await database.close();
    database = reopen();
    expect(await database.read(count)).toBeGreaterThanOrEqual(1);
  });
});

describe('the log', () => {
  it.skipIf(process.platform !== 'linux')('is the file that is synced, after a checkpoint too', async () => {
    await database.write(() => run(sql`CREATE TABLE blobs (data BLOB)`.compile(db)));
    // 4 000 pages are a checkpoint; the next commit begins the log anew.
    await database.write(() => run(sql`INSERT INTO blobs VALUES (zeroblob(20000000))`.compile(db)));
    await database.write(() => insert(1));
    breakLog(path);
    await expect(database.write(() => insert(2))).rejects.toMatchObject({ cause: { code: 'EINVAL' } });
  });

  it('is found where the database is, if its path is a link', async () => {
    const elsewhere = join(folder, 'elsewhere');
    await mkdir(elsewhere);
    await database.close();
    path = join(folder, 'linked.db');
    await symlink(join(elsewhere, 'real.db'), path);
    database = reopen();
    await database.write(() => insert(1));
    expect(await database.read(count)).toBe(1);
  });
});
