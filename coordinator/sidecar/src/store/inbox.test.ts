import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventKind } from '../engine/history-events.ts';
import { Inbox } from './inbox.ts';
import { prepareSchema } from './schema.ts';
import { SqliteDatabase } from './sqlite-database.ts';

describe('the first rows of an inbox', () => {
  let folder: string;
  let database: SqliteDatabase;
  let inbox: Inbox;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'inbox-'));
    database = new SqliteDatabase(join(folder, 'engine.db'), 'normal', () => {});
    prepareSchema(database);
    inbox = new Inbox(database);
    for (let n = 1; n <= 10; n += 1) {
      for (const run of [1, 2]) inbox.add(run, { kind: EventKind.eventRaised, bytes: new Uint8Array(100).fill(n) });
    }
  });
  afterEach(async () => {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const first = (limit: number, maxBytes: number) => inbox.first(2, limit, maxBytes).map(({ event }) => event[0]);

  it('are as many as may be and as there are, of this run alone', () => {
    expect(first(3, 1000)).toEqual([1, 2, 3]);
    expect(first(100, 1000)).toHaveLength(10);
    expect(inbox.first(3, 100, 1000)).toEqual([]);
  });

  it('end with the one that is too much, however many there are', () => {
    expect(first(100, 300)).toEqual([1, 2, 3, 4]);
    expect(first(100, 299)).toEqual([1, 2, 3]);
    expect(first(100, 10)).toEqual([1]);
  });
});
