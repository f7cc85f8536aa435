import { TaskState } from '@a2a-js/sdk';
import { type Answer, dataOf, dataPart, digest, extensionUris, textOf, textPart } from '@daca-mesh/protocol';
import { all, run } from '@daca-mesh/protocol/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { query, type DeadlineRow } from '../store/schema.ts';
import { getQuestion, listQuestions } from './inbox.ts';
import type { AskRequest } from './question-rows.ts';
import { escalateQuestion } from './question-steps.ts';
import { answerQuestion, askQuestion, expireQuestion, withdrawQuestions } from './questions.ts';
import { type InboxStore, openInboxStore } from './testing/inbox-store.ts';

let store: InboxStore;
let runId: string;

beforeEach(async () => {
  store = await openInboxStore();
  runId = await store.newRun();
});
afterEach(() => store[Symbol.asyncDispose]());

const idOf = (n: number): string => `${runId}-q${String(n).padStart(12, '0')}`;
const request = (fields: Partial<AskRequest> = {}): AskRequest => ({
  questionId: idOf(1),
  runId,
  generation: 0,
  path: [],
  prompt: 'Publish this post?',
  actions: ['approve', 'reject', 'edit'],
  schema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'], additionalProperties: false },
  arguments: { text: 'a post' },
  ...fields,
});
const ask = (fields?: Partial<AskRequest>) => store.database.write(() => askQuestion(store, request(fields)));
const answer = (given: Answer, by = 'ada', id = idOf(1)) =>
  store.database.write(() => answerQuestion(store, id, given, store.identify(by)));
const expire = (id = idOf(1)) => store.database.write(() => expireQuestion(store, id));
const question = (id = idOf(1)) => store.database.read(() => getQuestion(id));
const types = async (): Promise<string[]> => (await store.timeline(runId)).map(({ type }) => type);
const deadlines = (): Promise<readonly DeadlineRow[]> =>
  store.database.read(() => all(query.selectFrom('deadlines').selectAll().compile()));
const stateOf = async () => (await store.task(runId)).status?.state;
const openCount = async (): Promise<number | undefined> =>
  (
    await store.database.read(() =>
      all(query.selectFrom('runs').select('open_questions').where('run_id', '=', runId).compile()),
    )
  )[0]?.open_questions;

describe('asking', () => {
  it('shows the question on the task: in words, as data and as the extension', async () => {
    await ask({ assignee: 'moderators', timeoutMs: 60_000 });
    const { status } = await store.task(runId);
    expect(status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    const shown = expect.objectContaining({
      id: idOf(1),
      prompt: 'Publish this post?',
      actions: ['approve', 'reject', 'edit'],
      arguments: { text: 'a post' },
      argumentsHash: digest({ text: 'a post' }),
      assignee: 'moderators',
      deadline: (await question()).deadline,
    });
    expect(dataOf(status?.message?.parts)).toEqual([shown]);
    expect(status?.message?.metadata?.[extensionUris.question]).toEqual(shown);
    const text = textOf(status?.message?.parts);
    expect(text).toContain('Publish this post?');
    expect(text).toContain(`approve ${idOf(1)}`);
    expect(text).toContain(`reject ${idOf(1)}: <reason>`);
    expect(text).toContain((await question()).deadline);
    expect(await openCount()).toBe(1);
    expect((await question()).status).toBe('open');
  });

  it('asked again by a repeated step changes nothing and tells what became of it', async () => {
    expect(await ask()).toEqual({ status: 'open' });
    expect(await ask({ prompt: 'Another text' })).toEqual({ status: 'open' });
    await answer({ action: 'approve' });
    expect(await ask()).toEqual({ status: 'answered', answer: { action: 'approve' }, by: 'ada' });
    expect(await types()).toEqual(['run-started', 'question-asked', 'question-answered']);
    expect(await openCount()).toBe(0);
  });

  it('shows the oldest of several and names the others, until each is answered', async () => {
    await ask();
    await ask({ questionId: idOf(2), prompt: 'Tell the author?' });
    expect(textOf((await store.task(runId)).status?.message?.parts)).toMatch(
      new RegExp(`Publish this post\\?[^]*Also open:\\n- ${idOf(2)}: Tell the author\\?`),
    );
    await answer({ action: 'approve' });
    expect(dataOf((await store.task(runId)).status?.message?.parts)).toMatchObject([{ id: idOf(2) }]);
    await answer({ action: 'reject', reason: 'no need' }, 'ada', idOf(2));
    expect(await stateOf()).toBe(TaskState.TASK_STATE_WORKING);
  });

  it('refuses a schema that is none, a deadline that is no date, and a default that the question would not take', async () => {
    await expect(ask({ timeoutMs: Number.MAX_SAFE_INTEGER })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(ask({ schema: { type: 'nonsense' } })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(ask({ timeoutMs: 1_000, onDeadline: { action: 'answer', value: 1 } })).rejects.toMatchObject({
      code: 'ANSWER_INVALID',
    });
    expect(await types()).toEqual(['run-started']);
  });

  it('asks nothing for a run that is over', async () => {
    await store.database.write(() => run(query.updateTable('runs').set({ status: 'canceled' }).compile()));
    expect(await ask()).toEqual({ status: 'withdrawn' });
    await expect(question()).rejects.toMatchObject({ code: 'QUESTION_NOT_FOUND' });
  });
});

describe('answering', () => {
  it('closes the row, tells the workflow once and lets the task go on', async () => {
    await ask();
    const closed = await answer({ action: 'reject', reason: 'an insult' });
    expect(closed).toMatchObject({
      status: 'answered',
      answer: { action: 'reject', reason: 'an insult' },
      answeredBy: 'ada',
    });
    const events = await store.raised(runId);
    expect(events.map(({ name, payload }) => [name, JSON.parse(payload)])).toEqual([
      [`answer:${idOf(1)}`, { status: 'answered', answer: { action: 'reject', reason: 'an insult' }, by: 'ada' }],
    ]);
    expect((await store.timeline(runId)).at(-1)).toMatchObject({
      type: 'question-answered',
      data: { questionId: idOf(1), action: 'reject', reason: 'an insult', by: 'ada' },
    });
    expect(await stateOf()).toBe(TaskState.TASK_STATE_WORKING);
    expect(await deadlines()).toEqual([]);
  });

  it('refuses the second answer and tells who decided what', async () => {
    await ask();
    await answer({ action: 'approve' }, 'ada');
    await expect(answer({ action: 'reject', reason: 'no' }, 'bob')).rejects.toMatchObject({
      code: 'QUESTION_CLOSED',
      message: expect.stringMatching(/ada answered "approve" at \d{4}-/),
      details: { questionId: idOf(1), outcome: 'answered', answer: { action: 'approve' }, answeredBy: 'ada' },
    });
  });

  it('counts exactly one of 20 answers that come at once', async () => {
    await ask();
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => answer({ action: 'approve' }, `person-${n}`)),
    );
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.answeredBy] : []));
    const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.details.answeredBy] : []));
    expect(won).toHaveLength(1);
    expect(lost).toEqual(Array.from({ length: 19 }, () => won[0]));
    expect(await store.raised(runId)).toHaveLength(1);
    expect(await openCount()).toBe(0);
  });

  it.each<[string, Answer, string]>([
    ['an action the question does not take', { action: 'answer', value: 'x' }, 'action'],
    ['an edit without a value', { action: 'edit' }, 'value'],
    ['a value of the wrong shape', { action: 'edit', value: 'x' }, 'value'],
    ['a field of the wrong type', { action: 'edit', value: { text: 5 } }, 'value.text'],
    ['an approval with a value', { action: 'approve', value: { text: 'x' } }, 'value'],
  ])('refuses %s and says where', async (_what, given, path) => {
    await ask();
    await expect(answer(given)).rejects.toMatchObject({
      code: 'ANSWER_INVALID',
      details: { questionId: idOf(1), violations: [{ path, message: expect.any(String) }] },
    });
    expect((await question()).status).toBe('open');
  });

  it('checks formats and reads schemas that name their dialect', async () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'array',
      items: { type: 'string', format: 'date' },
    };
    await ask({ schema, actions: ['answer'] });
    await expect(answer({ action: 'answer', value: ['2026-01-01', 'soon'] })).rejects.toMatchObject({
      details: { violations: [{ path: 'value[1]' }] },
    });
    await answer({ action: 'answer', value: ['2026-01-01'] });
  });

  it("lets an agent judge the answer where the agent's schema cannot be read", async () => {
    await ask({
      schema: { $ref: 'https://elsewhere.example/schema' },
      callId: `${runId}-c1`,
      attempt: 1,
      path: ['repair'],
    });
    await answer({ action: 'edit', value: 'anything' });
    expect(await store.raised(runId)).toEqual([]);
    expect((await question()).deliveredAt).toBeUndefined();
    expect((await store.timeline(runId)).at(-1)).toMatchObject({ agent: 'repair', callId: `${runId}-c1`, attempt: 1 });
  });
});

describe('the deadline', () => {
  it('takes the answer the author gave for it', async () => {
    await ask({ timeoutMs: 60_000, onDeadline: { action: 'reject', reason: 'nobody looked' } });
    expect(await deadlines()).toMatchObject([{ kind: 'question', ref: idOf(1), run_id: runId }]);
    expect(await expire()).toBe(true);
    expect(await expire()).toBe(false);
    expect(await question()).toMatchObject({
      status: 'expired',
      answer: { action: 'reject', reason: 'nobody looked' },
    });
    expect((await store.raised(runId)).map(({ payload }) => JSON.parse(payload))).toEqual([
      { status: 'expired', answer: { action: 'reject', reason: 'nobody looked' } },
    ]);
    await expect(answer({ action: 'approve' })).rejects.toMatchObject({
      code: 'QUESTION_CLOSED',
      details: { outcome: 'expired', answer: { action: 'reject' } },
    });
  });

  it('refuses an answer that comes after it, even before the scheduler', async () => {
    await ask({ timeoutMs: 1 });
    const { deadline = '' } = await question();
    await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(deadline));
    await expect(answer({ action: 'approve' })).rejects.toMatchObject({
      code: 'QUESTION_CLOSED',
      details: { outcome: 'expired' },
    });
    expect(await question()).toMatchObject({ status: 'open' });
  });

  it('and an answer at the same moment have one outcome', async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 50; round += 1) {
      const questionId = idOf(round + 1);
      await ask({ questionId, timeoutMs: 60_000 });
      const both = [() => answer({ action: 'approve' }, 'ada', questionId), () => expire(questionId)];
      if (round % 2 === 1) both.reverse();
      const results = await Promise.allSettled(both.map((act) => act()));
      const { status } = await question(questionId);
      outcomes.add(status);
      const accepted = results.some((result) => result.status === 'fulfilled' && typeof result.value === 'object');
      expect(accepted).toBe(status === 'answered');
    }
    expect([...outcomes].sort()).toEqual(['answered', 'expired']);
    expect(await store.raised(runId)).toHaveLength(50);
    expect(await openCount()).toBe(0);
  });
});

describe('escalation', () => {
  it('asks one after the other, and stops at the answer', async () => {
    const escalation = [
      { afterMs: 1_000, assignee: 'lead' },
      { afterMs: 5_000, assignee: 'head' },
    ];
    await ask({ assignee: 'moderator', escalation });
    const [first] = await deadlines();
    expect(first).toMatchObject({ kind: 'escalation', due_at: Date.parse((await question()).askedAt) + 1_000 });
    await store.database.write(() => escalateQuestion(store, idOf(1)));
    expect((await question()).assignee).toBe('lead');
    expect(dataOf((await store.task(runId)).status?.message?.parts)).toMatchObject([{ assignee: 'lead' }]);
    expect((await store.timeline(runId)).at(-1)).toMatchObject({
      type: 'question-escalated',
      data: { assignee: 'lead', from: 'moderator' },
    });
    expect((await deadlines())[0]?.due_at).toBe((first?.due_at ?? 0) + 4_000);
    await answer({ action: 'approve' }, 'lead');
    expect(await store.database.write(() => escalateQuestion(store, idOf(1)))).toBe(false);
    expect(await deadlines()).toEqual([]);
  });
});

describe('withdrawing', () => {
  it('closes what is open, leaves what is answered, and refuses later answers', async () => {
    await ask();
    await ask({ questionId: idOf(2) });
    await answer({ action: 'approve' });
    await store.database.write(() => withdrawQuestions(store, { runId, reason: 'the run has ended' }));
    expect((await question()).status).toBe('answered');
    expect((await question(idOf(2))).status).toBe('withdrawn');
    expect(await stateOf()).toBe(TaskState.TASK_STATE_WORKING);
    await expect(answer({ action: 'approve' }, 'ada', idOf(2))).rejects.toMatchObject({
      code: 'QUESTION_CLOSED',
      details: { outcome: 'withdrawn' },
    });
  });
});

describe('an answer by A2A message', () => {
  it('is taken as data and as words', async () => {
    await ask();
    await store.say(runId, dataPart({ action: 'edit', value: { text: 'milder' } }));
    expect(await question()).toMatchObject({
      answer: { action: 'edit', value: { text: 'milder' } },
      answeredBy: 'local',
    });
    await ask({ questionId: idOf(2) });
    await store.say(runId, textPart(`reject ${idOf(2)}: an insult`));
    expect(await question(idOf(2))).toMatchObject({ answer: { action: 'reject', reason: 'an insult' } });
    await ask({ questionId: idOf(3), actions: ['answer'], schema: { type: 'string' } });
    await store.say(runId, textPart('as you like'));
    expect(await question(idOf(3))).toMatchObject({ answer: { action: 'answer', value: 'as you like' } });
  });

  it('that approves, sent twice, does not approve the next question', async () => {
    await ask();
    await store.say(runId, textPart('approve'), 'approval-1');
    await ask({ questionId: idOf(2) });
    await store.say(runId, textPart('approve'), 'approval-1');
    expect((await question(idOf(2))).status).toBe('open');
    await expect(store.say(runId, textPart('approve'), 'approval-2')).rejects.toMatchObject({
      code: 'QUESTION_ID_REQUIRED',
      details: { openQuestions: [idOf(2)] },
    });
    await expect(store.say(runId, textPart(`approve ${idOf(1)}`))).rejects.toMatchObject({
      code: 'QUESTION_CLOSED',
      details: { answeredBy: 'local', answer: { action: 'approve' } },
    });
    expect((await question(idOf(2))).status).toBe('open');
    await store.say(runId, textPart(`approve ${idOf(2)}`));
    expect((await question(idOf(2))).status).toBe('answered');
  });

  it('that does not fit is refused with the allowed forms and stored nowhere', async () => {
    await ask();
    const before = (await store.task(runId)).history.length;
    await expect(store.say(runId, dataPart({ action: 'edit', value: { text: 5 } }))).rejects.toMatchObject({
      code: 'ANSWER_INVALID',
      details: { violations: [{ path: 'value.text' }], forms: expect.arrayContaining([`\`approve ${idOf(1)}\``]) },
    });
    await expect(store.say(runId, textPart('I am not sure'))).rejects.toMatchObject({
      code: 'ANSWER_INVALID',
      details: { violations: [{ path: 'action' }], forms: expect.arrayContaining([`\`approve ${idOf(1)}\``]) },
    });
    expect((await store.task(runId)).history).toHaveLength(before);
  });

  it('is refused where nothing is asked', async () => {
    await expect(store.say(runId, textPart('approve'))).rejects.toMatchObject({ code: 'QUESTION_CLOSED' });
  });
});

describe('the list', () => {
  it('pages through everything once, the newest first', async () => {
    for (let n = 1; n <= 7; n += 1) await ask({ questionId: idOf(n) });
    await answer({ action: 'approve' }, 'ada', idOf(3));
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.database.read(() => listQuestions({ status: 'open', runId, limit: 2, cursor }));
      ids.push(...page.questions.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(ids).toEqual([7, 6, 5, 4, 2, 1].map(idOf));
    await expect(store.database.read(() => listQuestions({ limit: 2, cursor: 'x' }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});
