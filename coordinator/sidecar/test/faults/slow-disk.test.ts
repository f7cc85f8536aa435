import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Engine } from '../../src/engine/engine.ts';
import { ClientOperations } from '../../src/engine/client-operations.ts';
import { silentLogger } from '../../src/logger.ts';
import { prepareSchema } from '../../src/store/schema.ts';
import { SqliteDatabase } from '../../src/store/sqlite-database.ts';
import { createStore } from '../../src/store/store.ts';
import { breakLog, whileDiskIsHeld } from '../held-disk.ts';
import { temporaryFolder } from '../world.ts';

const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

describe.skipIf(process.platform !== 'linux')('while the disk is waited for', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let path: string;
  let database: SqliteDatabase;
  const onFailed = vi.fn<(error: Error) => void>();

  beforeEach(() => {
    folder = temporaryFolder();
    path = join(folder.path, 'engine.db');
    onFailed.mockClear();
    database = new SqliteDatabase(path, 'full', onFailed);
    prepareSchema(database);
    database.exec('CREATE TABLE items (value INTEGER)');
  });
  afterEach(async () => {
    await database.close();
    folder[Symbol.dispose]();
  });

  const insert = (value: number) =>
    database.transact(() => database.run('INSERT INTO items VALUES (?)', value).changes);
  const committed = (table = 'items'): unknown => {
    using other = new DatabaseSync(path, { readOnly: true });
    return other.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'];
  };

  it('nobody outside is told of what is not on it, nor that something is gone', async () => {
    const told: string[] = [];
    const tell = (what: string) => () => void told.push(what);
    const calls: Promise<void>[] = [];
    await whileDiskIsHeld(folder.path, async () => {
      calls.push(insert(1).then(tell('unit')));
      await vi.waitFor(() => expect(committed()).toBe(1));
      calls.push(database.read(() => 1).then(tell('read')));
      const missing = database.read(() => {
        throw new Error('no such item');
      });
      calls.push(missing.catch(tell('missing')), insert(2).then(tell('next')));
      await pause();
      expect(told).toEqual([]);
    });
    await Promise.all(calls);
    expect(told.at(0)).toBe('unit');
    expect(told.at(-1)).toBe('next');
  });

  it('no worker is given what is not on it', async () => {
    const engine = new Engine({
      store: createStore(database),
      logger: silentLogger,
      now: Date.now,
      maxMessageBytes: 1e6,
    });
    const operations = new ClientOperations(engine);
    const send = vi.fn<(workItem: Uint8Array) => void>();
    const start = { id: 'one', executionId: undefined, name: 'any', version: undefined, input: undefined };
    await engine.start();
    await operations.create({ ...start, scheduledAt: undefined });
    const raised: Promise<void>[] = [];
    await whileDiskIsHeld(folder.path, async () => {
      raised.push(operations.raiseEvent('one', 'unsynced', undefined));
      await vi.waitFor(() => expect(committed('inbox')).toBe(2));
      engine.connectWorker({ send, end: () => {} }, { maxUnacked: 10, maxUnackedActivities: 10 });
      await pause();
      expect(send).not.toHaveBeenCalled();
    });
    await Promise.all(raised);
    await vi.waitFor(() => expect(send).toHaveBeenCalledTimes(1));
    expect(Buffer.from(send.mock.calls[0]?.[0] ?? []).includes('unsynced')).toBe(true);
    engine.stop();
  });

  it('closing waits, commits what is queued, and takes nothing more', async () => {
    const calls: Promise<unknown>[] = [];
    await whileDiskIsHeld(folder.path, async () => {
      calls.push(insert(1));
      await vi.waitFor(() => expect(committed()).toBe(1));
      calls.push(insert(2), database.close(), database.close());
      await expect(insert(3)).rejects.toMatchObject({ code: 'CLOSED' });
    });
    await Promise.all(calls);
    expect(committed()).toBe(2);
  });

  it('fails all who waited when the disk does, and says so once', async () => {
    const failing: Promise<unknown>[] = [];
    await whileDiskIsHeld(folder.path, async () => {
      failing.push(insert(1));
      await vi.waitFor(() => expect(committed()).toBe(1));
      failing.push(
        database.read(() => 1),
        insert(2),
      );
      failing.push(insert(3));
      for (const call of failing) call.catch(() => {});
      breakLog(path);
    });
    for (const call of failing) {
      await expect(call).rejects.toMatchObject({ code: 'DATABASE_FAILED', cause: { code: 'EINVAL' } });
    }
    await expect(insert(4)).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
    expect(onFailed).toHaveBeenCalledTimes(1);
  });
});
