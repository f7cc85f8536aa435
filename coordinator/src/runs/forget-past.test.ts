import { all, run } from '@daca-mesh/protocol/server';
import { expect, it } from 'vitest';
import { openInboxStore } from '../inbox/testing/inbox-store.ts';
import { query } from '../store/schema.ts';
import { appendTimeline } from '../store/timeline.ts';
import { claimRun } from './claim-run.ts';
import { runRetentionMs } from './forget-run.ts';
import { waitForEvent } from './receive-event.ts';
import { requireRun } from './run-rows.ts';

it('a run without an end forgets what is settled and older than the retention', async () => {
  await using store = await openInboxStore();
  const { database, signals } = store;
  const runId = await store.newRun();
  const long = Date.now() - runRetentionMs - 1_000;
  const note = (text: string) => database.write(() => appendTimeline(signals, runId, { type: 'waiting', data: text }));
  const wait = (waitId: string) => database.write(() => waitForEvent(store, runId, { waitId, event: 'go' }));
  await note('old');
  await wait('old-settled');
  await wait('old-open');
  await database.write(function* () {
    yield* run(query.updateTable('timeline').set({ at: long }).where('run_id', '=', runId).compile());
    yield* run(query.updateTable('waits').set({ created_at: long }).compile());
    yield* run(query.updateTable('waits').set({ status: 'timed-out' }).where('wait_id', '=', 'old-settled').compile());
    yield* run(query.updateTable('runs').set({ created_at: long }).compile());
  });
  await note('young');
  const { token } = await database.read(() => requireRun(runId));
  const claim = (generation: number) =>
    database.write(() =>
      claimRun(store, { instanceId: runId, workflow: 'waiting', version: 1, generation, token }, undefined),
    );
  const left = async () => ({
    timeline: (await store.timeline(runId)).length,
    waits: (await database.read(() => all(query.selectFrom('waits').select('wait_id').compile()))).length,
  });
  const before = await left();
  // The same generation again, after a crash: its rows are still needed.
  await claim(0);
  expect(await left()).toEqual(before);
  await claim(1);
  expect((await store.timeline(runId)).map(({ data }) => data)).toEqual(['young']);
  expect(await left()).toEqual({ timeline: 1, waits: 1 });
});
