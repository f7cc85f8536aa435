import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { textOf } from '@daca-mesh/protocol';
import { all, openSqliteDatabase, run, taskSchema } from '@daca-mesh/protocol/server';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDeadlineScheduler, type DeadlineScheduler } from '../deadlines/scheduler.ts';
import { openCoordinatorDatabase } from '../store/open.ts';
import { coordinatorMigrations, query } from '../store/schema.ts';
import { getQuestion } from './inbox.ts';
import type { AskRequest } from './question-rows.ts';
import { escalateQuestion, remindQuestion } from './question-steps.ts';
import { answerQuestion, askQuestion, expireQuestion } from './questions.ts';
import { type InboxStore, openInboxStore } from './testing/inbox-store.ts';

let folder: string;
let store: InboxStore;
let scheduler: DeadlineScheduler | undefined;
let runId: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steps-'));
  store = await openInboxStore({ folder });
  runId = await store.newRun();
});
const stop = async (): Promise<void> => {
  await scheduler?.close();
  await store[Symbol.asyncDispose]();
};
afterEach(async () => {
  await stop();
  scheduler = undefined;
  await rm(folder, { recursive: true, force: true });
});

const questionId = (): string => `${runId}-q000000000001`;
const ask = (fields: Partial<AskRequest>) =>
  store.database.write(() =>
    askQuestion(store, {
      questionId: questionId(),
      runId,
      generation: 0,
      path: [],
      prompt: 'Order it?',
      actions: ['approve', 'reject'],
      assignee: 'ann',
      ...fields,
    }),
  );
const question = () => store.database.read(() => getQuestion(questionId()));
const steps = async () =>
  (await store.timeline(runId)).flatMap(({ type, data }) =>
    type === 'question-reminded' || type === 'question-escalated' ? [[type, data]] : [],
  );
const deadlines = () => store.database.read(() => all(query.selectFrom('deadlines').selectAll().compile()));
const text = async (): Promise<string> => textOf((await store.task(runId)).status?.message?.parts);

const begin = (): void => {
  const { database, signals } = store;
  scheduler = createDeadlineScheduler({
    database,
    signals,
    logger: pino({ level: 'silent' }),
    handlers: {
      escalation: ({ ref }) => escalateQuestion(store, ref),
      reminder: ({ ref }) => remindQuestion(store, ref),
      question: ({ ref }) => expireQuestion(store, ref),
    },
  });
  scheduler.start();
};
const reminded = (number: number, total: number, assignee: string) => [
  'question-reminded',
  { questionId: questionId(), number, total, assignee },
];
const escalated = (assignee: string, from: string) => [
  'question-escalated',
  { questionId: questionId(), assignee, from },
];

describe('a reminder', () => {
  it('is given once, shows on the task, and sets the next', async () => {
    await ask({ reminders: [{ afterMs: 5_000 }, { afterMs: 1_000 }] });
    const askedAt = Date.parse((await question()).askedAt);
    expect(await deadlines()).toMatchObject([{ kind: 'reminder', due_at: askedAt + 1_000 }]);
    expect(await text()).not.toContain('Reminder');
    expect(await store.database.write(() => remindQuestion(store, questionId()))).toBe(true);
    expect(await text()).toContain('Reminder 1 of 2.');
    expect(await deadlines()).toMatchObject([{ kind: 'reminder', due_at: askedAt + 5_000 }]);
    expect(await store.database.write(() => remindQuestion(store, questionId()))).toBe(true);
    expect(await store.database.write(() => remindQuestion(store, questionId()))).toBe(false);
    expect(await question()).toMatchObject({ reminded: 2, status: 'open' });
    expect(await steps()).toEqual([reminded(1, 2, 'ann'), reminded(2, 2, 'ann')]);
  });

  it('stands for all that came due while nobody was there', async () => {
    await ask({ reminders: [1, 2, 3, 4, 5, 60_000].map((afterMs) => ({ afterMs })) });
    const askedAt = Date.parse((await question()).askedAt);
    await expect.poll(() => Date.now(), { timeout: 20_000 }).toBeGreaterThan(askedAt + 5);
    begin();
    await expect.poll(deadlines, { timeout: 20_000 }).toMatchObject([{ kind: 'reminder', due_at: askedAt + 60_000 }]);
    expect(await steps()).toEqual([reminded(5, 6, 'ann')]);
  });

  it('is not given when the question is closed', async () => {
    await ask({ reminders: [{ afterMs: 1_000 }] });
    const caller = store.identify('ann');
    await store.database.write(() => answerQuestion(store, questionId(), { action: 'approve' }, caller));
    expect(await deadlines()).toEqual([]);
    expect(await store.database.write(() => remindQuestion(store, questionId()))).toBe(false);
    expect(await store.database.write(() => remindQuestion(store, 'nobody'))).toBe(false);
    expect(await steps()).toEqual([]);
  });

  it.each([
    ['at no time', { reminders: [{ afterMs: 0 }] }],
    ['too often', { reminders: Array.from({ length: 51 }, (_, n) => ({ afterMs: n + 1 })) }],
  ])('is not asked for %s', async (_what, fields) => {
    await expect(ask(fields)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(question()).rejects.toMatchObject({ code: 'QUESTION_NOT_FOUND' });
  });
});

describe('reminders and escalation', () => {
  it('take turns, each once, over a restart in between', async () => {
    await ask({
      reminders: [{ afterMs: 1 }, { afterMs: 700 }],
      escalation: [
        { afterMs: 300, assignee: 'lead' },
        { afterMs: 800, assignee: 'head' },
        { afterMs: 900, assignee: 'board' },
      ],
    });
    begin();
    await expect.poll(steps, { timeout: 20_000 }).toContainEqual(escalated('lead', 'ann'));
    await stop();
    store = await openInboxStore({ folder });
    // What comes due while nobody is there is made up for, in its order.
    const { askedAt } = await question();
    await expect.poll(() => Date.now(), { timeout: 20_000 }).toBeGreaterThan(Date.parse(askedAt) + 900);
    begin();
    await expect.poll(deadlines, { timeout: 20_000 }).toEqual([]);
    expect((await steps()).filter(([type]) => type === 'question-escalated')).toEqual([
      escalated('lead', 'ann'),
      escalated('head', 'lead'),
      escalated('board', 'head'),
    ]);
    expect((await steps()).findLast(([type]) => type === 'question-reminded')).toMatchObject([
      'question-reminded',
      { number: 2 },
    ]);
    expect(await question()).toMatchObject({ assignee: 'board', mayAnswer: ['ann', 'lead', 'head', 'board'] });
  });

  it('end with the deadline', async () => {
    const later = [{ afterMs: 60_000, assignee: 'lead' }];
    await ask({ reminders: [{ afterMs: 60_000 }], escalation: later, timeoutMs: 30 });
    begin();
    await expect.poll(async () => (await question()).status, { timeout: 20_000 }).toBe('expired');
    expect(await deadlines()).toEqual([]);
    expect(await steps()).toEqual([]);
    expect(await store.raised(runId)).toHaveLength(1);
  });
});

it('keeps the questions of an earlier schema, and who may answer them', async () => {
  const path = join(folder, 'old.db');
  const earlier = { component: 'coordinator', versions: coordinatorMigrations.slice(0, 3) };
  const old = openSqliteDatabase({ path, schemas: [taskSchema, earlier] });
  const insert = (id: string, assignee: string | null) =>
    old.write(() =>
      run(
        sql`INSERT INTO questions (question_id, run_id, root_run_id, generation, prompt, actions, path, assignee,
          escalation, escalated, status, asked_at) VALUES (${id}, 'r', 'r', 0, 'Sure?', '["approve"]', '[]', ${assignee},
          '[]', 0, 'open', 1)`.compile(query),
      ),
    );
  await insert('q1', 'ann');
  await insert('q2', null);
  await old.close();
  const database = openCoordinatorDatabase({ path });
  const [first, second] = [await database.read(() => getQuestion('q1')), await database.read(() => getQuestion('q2'))];
  await database.close();
  expect(first).toMatchObject({ id: 'q1', status: 'open', assignee: 'ann', mayAnswer: ['ann'] });
  expect(second).toEqual({
    id: 'q2',
    prompt: 'Sure?',
    actions: ['approve'],
    path: [],
    runId: 'r',
    status: 'open',
    askedAt: '1970-01-01T00:00:00.001Z',
  });
});
