import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openCoordinatorDatabase } from './open.ts';
import { createPayloadStore, forgetPayloads } from './payloads.ts';

const folder = mkdtempSync(join(tmpdir(), 'payloads-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('keeps a value until no run refers to it any more', async () => {
  await using database = openCoordinatorDatabase({ path: join(folder, 'coordinator.db'), durability: 'normal' });
  const store = createPayloadStore(database);
  const shared = { $ref: 'sha256:aa', bytes: 8 };
  const own = { $ref: 'sha256:bb', bytes: 5 };
  await store.put('first', shared, '"shared"');
  await store.put('first', shared, '"shared"');
  await store.put('first', own, '"own"');
  await store.put('second', shared, '"shared"');

  await database.write(() => forgetPayloads('first'));
  expect(await store.get(own)).toBeUndefined();
  expect(await store.get(shared)).toBe('"shared"');

  await database.write(() => forgetPayloads('second'));
  expect(await store.get(shared)).toBeUndefined();
});
