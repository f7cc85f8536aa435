import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@daca-mesh/protocol/server';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCoordinatorDatabase } from '../store/open.ts';
import { query } from '../store/schema.ts';
import { createSignals } from '../store/signals.ts';
import type { UndoRecord } from '../workflow-kit/contract.ts';
import { handedUndos } from './child-runs.ts';
import { insertRun } from './run-rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'child-runs-'));
const database = openCoordinatorDatabase({ path: join(folder, 'coordinator.db'), durability: 'normal' });
afterAll(async () => {
  await database.close();
  rmSync(folder, { recursive: true });
});

const records = (count: number, chars: number): UndoRecord[] =>
  Array.from({ length: count }, (_, at) => ({
    label: `step ${at}`,
    at,
    call: { target: { agent: 'undo' }, input: 'x'.repeat(chars) },
  }));

const lists = { many: records(450, 10), large: records(12, 400_000), huge: records(2, 3_000_000) };

beforeAll(async () => {
  const born = { workflow: 'w', version: 1, caller: 'me', input: {}, status: 'running', token: 't' } as const;
  await database.write(function* () {
    for (const [runId, undos] of Object.entries(lists)) {
      const child = { root_run_id: 'root', parent_run_id: 'root', path: '0', suspended: 0, canceling: 0 };
      yield* insertRun(createSignals(), { ...born, runId, child });
      yield* run(
        query
          .updateTable('runs')
          .set({ undos: JSON.stringify(undos) })
          .where('run_id', '=', runId)
          .compile(),
      );
    }
  });
});

it.each(Object.entries(lists))(
  'gives a list with %s records whole, in parts of bounded size',
  async (childId, list) => {
    const given: UndoRecord[] = [];
    let parts = 0;
    for (let from: number | undefined = 0; from !== undefined; parts++) {
      const at: number = from;
      const part = await database.read(() => handedUndos({ childId }, at));
      const chars = JSON.stringify(part.undos).length;
      expect(part.undos.length === 1 || chars < 2 * 1024 * 1024).toBe(true);
      given.push(...part.undos);
      from = part.next;
    }
    expect(parts).toBeGreaterThan(1);
    expect(given).toEqual(list.map((record) => ({ ...record, label: `${record.label} of child 0` })));
  },
);

it('gives nothing of a child that was never opened', async () => {
  expect(await database.read(() => handedUndos({ childId: 'unknown' }, 0))).toEqual({ undos: [] });
});
