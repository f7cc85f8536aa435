import { copyFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fromBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { HistoryEventSchema } from '../../src/gen/durable_task_pb.ts';
import { startSidecar, type SidecarError } from '../../src/index.ts';
import { RawClient } from '../raw-client.ts';
import { temporaryFolder } from '../world.ts';

const EVENTS = 40;
const id = 'run-1';

/** The names of the events an instance has not taken, in order. */
function waiting(path: string): string[] {
  using database = new DatabaseSync(path);
  expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  const names: string[] = [];
  for (const { event } of database.prepare('SELECT event FROM inbox ORDER BY id').all()) {
    if (!(event instanceof Uint8Array)) throw new TypeError('an event is bytes');
    const decoded = fromBinary(HistoryEventSchema, event).event;
    if (decoded.case === 'eventRaised') names.push(decoded.value.name);
  }
  return names;
}

describe('files that were damaged while nothing ran', () => {
  const template = temporaryFolder();
  const origin = join(template.path, 'engine.db');
  const raised = Array.from({ length: EVENTS }, (_, n) => `event-${n}`);

  beforeAll(async () => {
    const live = join(template.path, 'live.db');
    await using sidecar = await startSidecar({ path: live });
    using client = new RawClient(sidecar.address);
    client.call('startInstance', { instanceId: id, name: 'flow' }).catch(() => {});
    await vi.waitFor(
      async () => {
        const { exists } = await client.call('getInstance', { instanceId: id });
        if (!exists) throw new Error('not started');
      },
      { timeout: 20_000 },
    );
    for (const name of raised) await client.call('raiseEvent', { instanceId: id, name });
    // As kill -9 leaves them.
    for (const suffix of ['', '-wal']) copyFileSync(live + suffix, origin + suffix);
  });
  afterAll(() => template[Symbol.dispose]());

  const withCopy = async (test: (path: string) => Promise<void>): Promise<void> => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    for (const suffix of ['', '-wal']) copyFileSync(origin + suffix, path + suffix);
    await test(path);
  };

  it('a log that is cut anywhere holds whole commits: what was raised first is there, and in order', async () => {
    const { size } = statSync(`${origin}-wal`);
    const seen = new Set<number>();
    // Beginning after the creation of the tables; an odd stride also cuts in the middle of pages.
    for (let length = Math.floor(size / 4); length <= size; length += 12_345) {
      await withCopy(async (path) => {
        truncateSync(`${path}-wal`, length);
        await startAndClose(path);
        const names = waiting(path);
        expect(names).toEqual(raised.slice(0, names.length));
        seen.add(names.length);
      });
    }
    expect(seen.size).toBeGreaterThan(5);
    await withCopy(async (path) => {
      await startAndClose(path);
      expect(waiting(path)).toEqual(raised);
    });
  });

  it('bytes after the end of the log, as of a commit that was not finished, are ignored', () =>
    withCopy(async (path) => {
      writeFileSync(`${path}-wal`, Buffer.alloc(5000, 0xa5), { flag: 'a' });
      await startAndClose(path);
      expect(waiting(path)).toEqual(raised);
    }));

  it('a byte that changed within the log ends it there', () =>
    withCopy(async (path) => {
      const log = readFileSync(`${path}-wal`);
      const at = Math.floor(log.length * 0.8);
      log.writeUInt8(log.readUInt8(at) ^ 0xff, at);
      writeFileSync(`${path}-wal`, log);
      await startAndClose(path);
      const names = waiting(path);
      expect(names).toEqual(raised.slice(0, names.length));
      expect(names.length).toBeGreaterThan(0);
      expect(names.length).toBeLessThan(EVENTS);
    }));

  it.each([
    ['garbage', (path: string) => writeFileSync(path, Buffer.alloc(20_000, 0xa5))],
    ['cut in half', (path: string) => truncateSync(path, 4096 * 5)],
    ['emptied beside its log', (path: string) => truncateSync(path, 0)],
  ])('a database that is %s is refused with a clear error, and left as it is', async (kind, damage) => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    copyFileSync(origin, path);
    copyFileSync(`${origin}-wal`, `${path}-wal`);
    // A clean end empties the log, which would restore what is damaged.
    if (kind !== 'emptied beside its log') await startAndClose(path);
    damage(path);
    const before = contents(path);
    await expect(startSidecar({ path })).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    expect(contents(path)).toEqual(before);
  });

  it('damage that is found while it runs stops everything, and fails no workflow', () =>
    withCopy(async (path) => {
      await startAndClose(path);
      corruptTable(path, 'history');
      const onFailure = vi.fn<(error: SidecarError) => void>();
      await using sidecar = await startSidecar({ path, onFailure });
      using client = new RawClient(sidecar.address);
      const worker = client.worker();
      await expect.poll(() => onFailure.mock.calls.length, { timeout: 10_000 }).toBe(1);
      expect(onFailure.mock.calls[0]?.[0]).toMatchObject({ code: 'DATABASE_FAILED' });
      expect(worker.items).toEqual([]);
      const refusal = { code: 13, details: expect.stringContaining('restart to recover') };
      await expect(client.call('getInstance', { instanceId: id })).rejects.toMatchObject(refusal);
    }));
});

/** Of the database and its log; an empty file is as good as none. */
function contents(path: string): unknown {
  return ['', '-wal'].map((suffix) => (existsSync(path + suffix) ? readFileSync(path + suffix, 'hex') : ''));
}

async function startAndClose(path: string): Promise<void> {
  await (await startSidecar({ path })).close();
}

/** Overwrites the first page of a table. */
function corruptTable(path: string, table: string): void {
  let page: number;
  let size: number;
  {
    using database = new DatabaseSync(path);
    page = Number(database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(table)?.['rootpage']);
    size = Number(database.prepare('PRAGMA page_size').get()?.['page_size']);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }
  const bytes = readFileSync(path);
  bytes.fill(0xa5, (page - 1) * size, page * size);
  writeFileSync(path, bytes);
}
