import { run } from '@daca-mesh/protocol/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type InboxStore, openInboxStore } from '../inbox/testing/inbox-store.ts';
import { query } from '../store/schema.ts';
import { createSignals } from '../store/signals.ts';
import { appendTimeline, type TimelineEntry } from '../store/timeline.ts';
import { RunFeed } from './run-feed.ts';

let store: InboxStore;
let runId: string;
const gone = new AbortController();
beforeEach(async () => {
  store = await openInboxStore();
  runId = await store.newRun();
});
afterEach(async () => {
  vi.useRealTimers();
  await store[Symbol.asyncDispose]();
});

const append = (message: string) =>
  store.database.write(() => appendTimeline(store.signals, runId, { type: 'progress', data: { message } }));
const end = () =>
  store.database.write(function* () {
    yield* run(query.updateTable('runs').set({ status: 'completed' }).where('run_id', '=', runId).compile());
    yield* appendTimeline(store.signals, runId, { type: 'run-completed' });
  });
const collect = async (entries: AsyncIterable<TimelineEntry>): Promise<number[]> => {
  const seqs: number[] = [];
  for await (const { seq } of entries) seqs.push(seq);
  return seqs;
};

describe('the feed of a run', () => {
  it('gives every entry once, those that came before and those that come, to the last', async () => {
    const feed = new RunFeed(store);
    const following = [0, 1, 3].map((after) => collect(feed.entries(runId, after, gone.signal)));
    for (let n = 0; n < 450; n += 1) await append(`step ${n}`);
    await end();
    const all = Array.from({ length: 452 }, (_, index) => index + 1);
    expect(await Promise.all(following)).toEqual([all, all.slice(1), all.slice(3)]);
  });

  it('ends at once where nothing is to come', async () => {
    await end();
    const feed = new RunFeed(store);
    expect(await collect(feed.entries(runId, 2, gone.signal))).toEqual([]);
    expect(await collect(feed.entries('unknown', 0, gone.signal))).toEqual([]);
  });

  it('finds what no signal told of', async () => {
    const feed = new RunFeed({ database: store.database, signals: createSignals() });
    const following = collect(feed.entries(runId, 0, gone.signal));
    await end();
    expect(await following).toEqual([1, 2]);
  });

  it('asks again when the run itself may have changed, not for what its calls do', async () => {
    // It also looks by itself from time to time.
    vi.useFakeTimers({ toFake: ['setInterval'] });
    let asked = 0;
    const feed = new RunFeed(store);
    const told = feed.until(
      runId,
      async () => ++asked,
      (times) => times === 2,
      gone.signal,
    );
    for (const type of ['call-sent', 'call-progress', 'call-completed'] as const) {
      await store.database.write(() => appendTimeline(store.signals, runId, { type }));
    }
    expect(asked).toBe(1);
    await append('further');
    expect(await told).toBe(2);
  });

  it('serves a bounded number of followers, and frees the place of one that goes', async () => {
    const feed = new RunFeed({ ...store, maxFollowers: 1 });
    const client = new AbortController();
    const first = collect(feed.entries(runId, 0, client.signal));
    expect(() => feed.entries(runId, 0, gone.signal)).toThrow(expect.objectContaining({ code: 'RESOURCE_EXHAUSTED' }));
    client.abort();
    expect(await first).toEqual([1]);
    await end();
    expect(await collect(feed.entries(runId, 0, gone.signal))).toEqual([1, 2]);
  });
});
