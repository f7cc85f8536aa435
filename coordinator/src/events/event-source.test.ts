import { all } from '@daca-mesh/protocol/server';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { askQuestion } from '../inbox/questions.ts';
import { type InboxStore, openInboxStore } from '../inbox/testing/inbox-store.ts';
import { requireRun } from '../runs/run-rows.ts';
import type { RunEnd } from '../workflow-kit/contract.ts';
import { createEventSource } from './event-source.ts';
import { eventQuery } from './event-tables.ts';

const source = createEventSource({ name: 'coordinator', toBus: true, webhooks: [] });
let store: InboxStore;
let runId: string;
beforeEach(async () => {
  store = await openInboxStore({});
  runId = await store.newRun();
});
afterEach(() => store[Symbol.asyncDispose]());

const published = async () => {
  const rows = await store.database.read(() => all(eventQuery.selectFrom('cloud_events').select('event').compile()));
  // Written by storeEvent.
  return rows.map(({ event }) => JSON.parse(event) as unknown);
};

/** Deeper than any event may be, and short. */
let deep: unknown = 'end';
for (let level = 0; level < 150; level += 1) deep = [deep];
const long = 'x'.repeat(300_000);

const endings: [string, RunEnd][] = [
  ['an output that is too deep', { status: 'completed', output: deep }],
  ['an output that is too long', { status: 'completed', output: long }],
  [
    'a failure that is too deep',
    {
      status: 'failed',
      failure: { code: 'PEER_FAILED', message: 'no', retryable: false, details: { deep } },
      undone: [],
      notUndone: [],
    },
  ],
];
it.each(endings)('a run ends whatever it ends with: %s', async (_what, end) => {
  await store.database.write(function* () {
    yield* source.onRunEnd(yield* requireRun(runId), end);
  });
  const data = { runId, status: end.status, truncated: true };
  expect(await published()).toMatchObject([{ subject: runId, data }]);
});

it.each([
  ['arguments that are too deep', { arguments: deep }],
  ['arguments that are too long', { arguments: { long } }],
])('a question is asked whatever it is about: %s', async (_what, fields) => {
  const questionId = `${runId}-q000000000001`;
  const deps = { ...store, onQuestion: source.onQuestion };
  const asked = { questionId, runId, generation: 0, path: [], prompt: 'Well?' };
  await store.database.write(() => askQuestion(deps, { ...asked, actions: ['approve'], ...fields }));
  expect(await published()).toMatchObject([
    { type: 'HumanReviewRequired', subject: questionId, data: { questionId, runId, prompt: 'Well?', truncated: true } },
  ]);
});
