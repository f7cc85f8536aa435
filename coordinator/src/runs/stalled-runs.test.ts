import { textOf } from '@daca-mesh/protocol';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCallers, all, run, type Unit } from '@daca-mesh/protocol/server';
import { afterAll, expect, it } from 'vitest';
import { openCoordinatorDatabase } from '../store/open.ts';
import { query } from '../store/schema.ts';
import { createSignals } from '../store/signals.ts';
import { finishRun } from './finish-run.ts';
import { insertRun, loadRun } from './run-rows.ts';
import { retryStalledRun, stallRun } from './stalled-runs.ts';
import type { UnitDeps } from './unit-deps.ts';

const folder = mkdtempSync(join(tmpdir(), 'stalled-runs-'));
const database = openCoordinatorDatabase({ path: join(folder, 'coordinator.db'), durability: 'normal' });
afterAll(async () => {
  await database.close();
  rmSync(folder, { recursive: true });
});

it('asks a stalled run by one event, however often it is asked: also after the engine took that', async () => {
  const signals = createSignals();
  const born = {
    runId: 'r',
    workflow: 'w',
    version: 1,
    caller: 'me',
    input: {},
    status: 'running',
    token: 't',
  } as const;
  const events = () =>
    database.read(() =>
      all(query.selectFrom('outbox').select(['event_no', 'state']).where('run_id', '=', 'r').compile()),
    );
  await database.write(() => insertRun(signals, born));
  let woken = 0;
  signals.outbox.listen(() => woken++);
  for (let time = 1; time <= 3; time++) {
    await database.write(() => retryStalledRun(signals, 'r'));
    expect(await events()).toEqual([{ event_no: 1, state: 'pending' }]);
    expect(woken).toBe(time);
    await database.write(() => run(query.updateTable('outbox').set({ state: 'raised' }).compile()));
  }
  // Once it was consumed, the next is another one.
  await database.write(() => run(query.updateTable('outbox').set({ state: 'done' }).compile()));
  await database.write(() => retryStalledRun(signals, 'r'));
  expect(await events()).toEqual([
    { event_no: 1, state: 'done' },
    { event_no: 2, state: 'pending' },
  ]);
});

// oxlint-disable-next-line require-yield -- it only throws
const never = function* (): Unit<never> {
  throw new Error('not to be used');
};

it('shows a run as stalled for as long as a child of it is, also where that was ended from outside', async () => {
  const signals = createSignals();
  const told: string[] = [];
  // oxlint-disable-next-line require-yield -- it stores nothing
  const append: UnitDeps['core']['append'] = function* (taskId, { status }) {
    if (taskId !== 'root') throw new Error('a child has no task');
    told.push(textOf(status?.parts ?? []));
    return told.length;
  };
  const core = { append, load: never, create: never };
  const deps = { signals, core, identify: createCallers({}).identify };
  const born = { workflow: 'w', version: 1, caller: 'me', input: {}, status: 'running', token: 't' } as const;
  const child = { root_run_id: 'root', parent_run_id: 'root', path: '0', suspended: 0, canceling: 0 };
  const children = ['first', 'second'];
  await database.write(function* () {
    yield* insertRun(signals, { ...born, runId: 'root' });
    for (const runId of children) yield* insertRun(signals, { ...born, runId, child });
    for (const runId of children) yield* stallRun(deps, runId, { reason: 'ENGINE', message: 'held back' });
  });
  const seen: unknown[] = [];
  for (const runId of children) {
    seen.push((await database.read(() => loadRun('root')))?.status);
    await database.write(() => finishRun(deps, runId, { status: 'canceled', undone: [] }));
  }
  seen.push((await database.read(() => loadRun('root')))?.status);
  expect(seen).toEqual(['stalled', 'stalled', 'running']);
  expect(told).toEqual(['the run is stalled: child 0: held back', 'its workflow goes on']);
});
