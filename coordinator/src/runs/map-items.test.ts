import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Database, type Unit } from '@daca-mesh/protocol/server';
import { CompiledQuery } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCoordinatorDatabase } from '../store/open.ts';
import type { ItemOutcome } from '../workflow-kit/contract.ts';
import { nextItem, putItems } from './map-items.ts';

let folder = '';
let database: Database;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'map-items-'));
  database = openCoordinatorDatabase({ path: join(folder, 'store.db'), durability: 'normal' });
});
afterEach(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

const scope = { generation: 0, seen: { below: 0, above: [] } };
const done: ItemOutcome = { ok: true, value: null };
const put = (count: number) =>
  database.write(() =>
    putItems({ ...scope, runId: 'run', mapId: 'map', from: 0, items: Array.from({ length: count }) }),
  );

/** A lane that tells what it heard of the progress, and how the database looks for rows. */
function lane(runId: string) {
  const told: string[] = [];
  const plans: string[] = [];
  const next = (ended?: number) => {
    const settled = ended === undefined ? {} : { settled: { index: ended, outcome: done, undos: [] } };
    const request: Parameters<typeof nextItem>[0] = { ...scope, runId, mapId: 'map', progress: 'hosts', ...settled };
    return database.write(() =>
      explained(
        // oxlint-disable-next-line require-yield -- it asks the database for nothing
        nextItem(request, function* ({ message }) {
          told.push(message);
        }),
        plans,
      ),
    );
  };
  return { next, told, plans };
}

function* explained<T>(unit: Unit<T>, plans: string[]): Unit<T> {
  for (let step = unit.next(); ;) {
    if (step.done) return step.value;
    if (step.value.kind === 'query') {
      const { sql, parameters } = step.value.query;
      const { rows } = yield {
        kind: 'query',
        query: CompiledQuery.raw(`EXPLAIN QUERY PLAN ${sql}`, [...parameters]),
      };
      for (const row of rows) plans.push(String(Reflect.get(Object(row), 'detail')));
    }
    step = unit.next(yield step.value);
  }
}

describe('the items of a map', () => {
  it('count as ended in whatever order they end, and stay with the lane that took them', async () => {
    await put(4);
    const [slow, fast] = [lane('slow'), lane('fast')];
    expect((await slow.next()).item?.index).toBe(0);
    expect((await slow.next()).item?.index).toBe(0);
    expect((await fast.next()).item?.index).toBe(1);
    expect((await fast.next(1)).item?.index).toBe(2);
    expect((await fast.next(2)).item?.index).toBe(3);
    // Once more, after a crash.
    expect((await fast.next(2)).item?.index).toBe(3);
    expect(await fast.next(3)).toEqual({});
    expect(fast.told).toEqual(['1 of 4 hosts', '2 of 4 hosts', '3 of 4 hosts']);
    expect(await slow.next(0)).toEqual({});
    expect(slow.told).toEqual(['4 of 4 hosts']);
  });

  it('that have ended are not looked at again, so that many take no longer each than few', async () => {
    await put(10);
    const { next, plans } = lane('lane');
    await next();
    plans.length = 0;
    await next(0);
    const [first, open] = ['map_items_free (map_id=?)', 'map_items_taken (lane_id>?)'];
    expect(plans.filter((plan) => plan.startsWith('SEARCH'))).toEqual(
      ['(map_id=? AND item=?)', 'KEY (map_id=?)', first, open, 'map_items_taken', first, '(map_id=? AND item=?)'].map(
        (index) => expect.stringContaining(index),
      ),
    );
  });
});
