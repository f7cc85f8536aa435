import { TaskState } from '@a2a-js/sdk';
import { type Answer, dataOf, dataPart, textOf, textPart } from '@daca-mesh/protocol';
import { afterCommit, all, run } from '@daca-mesh/protocol/server';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forgetRun } from '../runs/forget-run.ts';
import { answerByEarlierEvent, receiveEvent } from '../runs/receive-event.ts';
import { query } from '../store/schema.ts';
import { getQuestion, listQuestions } from './inbox.ts';
import type { QuestionEvent } from './question-events.ts';
import type { AskRequest } from './question-rows.ts';
import { escalateQuestion } from './question-steps.ts';
import { answerQuestion, askQuestion, expireQuestion } from './questions.ts';
import { type InboxStore, openInboxStore } from './testing/inbox-store.ts';
import { people } from './testing/people.ts';

let store: InboxStore;
let runId: string;
const begin = async (callers: object = people): Promise<void> => {
  store = await openInboxStore({ callers });
  runId = await store.newRun();
};
beforeEach(() => begin());
afterEach(() => store[Symbol.asyncDispose]());

const idOf = (n = 1): string => `${runId}-q${String(n).padStart(12, '0')}`;
/** Asks what one may decide. */
const askOne = (fields: Partial<AskRequest> = {}) =>
  store.database.write(() =>
    askQuestion(store, {
      questionId: idOf(),
      runId,
      generation: 0,
      path: [],
      prompt: 'Order it?',
      actions: ['approve', 'reject'],
      ...fields,
    }),
  );
/** Asks what two must approve. */
const ask = (fields: Partial<AskRequest> = {}) => askOne({ approvals: { required: 2 }, ...fields });
const answer = (by: string, given: Answer = { action: 'approve' }, id = idOf()) =>
  store.database.write(() => answerQuestion(store, id, given, store.identify(by)));
const question = (id = idOf()) => store.database.read(() => getQuestion(id));
/** The questions that name one of these. */
const list = async (...mayAnswer: string[]): Promise<string[]> => {
  const { questions } = await store.database.read(() => listQuestions({ mayAnswer, limit: 10 }));
  return questions.map(({ id }) => id).toSorted();
};
const say = (caller: string, part: ReturnType<typeof textPart>) => store.say(runId, part, undefined, caller);
const outcomes = async () => (await store.raised(runId)).map(({ payload }) => JSON.parse(payload));
const given = (by: string, reason?: string) => ({
  by,
  at: expect.stringMatching(/^\d{4}-.*Z$/),
  ...(reason === undefined ? {} : { reason }),
});

describe('a question that needs several approvals', () => {
  it('stays open until the last, shows who has given theirs, and hands all of them over', async () => {
    await ask();
    expect(await question()).toMatchObject({ approvals: { required: 2, given: [], missing: 2 } });
    const half = await answer('ann', { action: 'approve', reason: 'we need it' });
    expect(half).toMatchObject({ status: 'open', approvals: { given: [given('ann', 'we need it')], missing: 1 } });
    expect(await question()).toEqual(half);
    const { status } = await store.task(runId);
    expect(status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    expect(textOf(status?.message?.parts)).toContain('Approved by ann; 1 missing.');
    expect(dataOf(status?.message?.parts)).toMatchObject([{ approvals: half.approvals }]);
    expect(await outcomes()).toEqual([]);

    const whole = await answer('bob');
    expect(whole).toMatchObject({ status: 'answered', answeredBy: 'bob', approvals: { missing: 0 } });
    const approvals = [given('ann', 'we need it'), given('bob')];
    const outcome = { status: 'answered', answer: { action: 'approve' }, by: 'bob', approvals };
    expect(await outcomes()).toEqual([outcome]);
    // A step that is repeated after a crash is told the same.
    expect(await ask()).toEqual(outcome);
    expect((await store.timeline(runId)).map(({ type, data }) => [type, data])).toMatchObject([
      ['run-started', {}],
      ['question-asked', { approvals: { required: 2 } }],
      ['question-approved', { by: 'ann', reason: 'we need it', missing: 1 }],
      ['question-approved', { by: 'bob', missing: 0 }],
      ['question-answered', { by: 'bob' }],
    ]);
    await expect(answer('oscar')).rejects.toMatchObject({ code: 'QUESTION_CLOSED' });
  });

  it('counts nobody twice', async () => {
    await ask();
    await answer('ann');
    await expect(answer('ann')).rejects.toMatchObject({
      code: 'ALREADY_APPROVED',
      details: { questionId: idOf(), by: 'ann' },
    });
    expect(await question()).toMatchObject({ status: 'open', approvals: { missing: 1 } });
  });

  it('is rejected by one, whoever has approved before', async () => {
    await ask();
    await answer('ann');
    await answer('bob', { action: 'reject', reason: 'too dear' });
    const rejected = { status: 'answered', answer: { action: 'reject', reason: 'too dear' }, by: 'bob' };
    expect(await outcomes()).toEqual([{ ...rejected, approvals: [given('ann')] }]);
  });

  it('may be rejected by who has approved', async () => {
    await ask();
    await answer('ann');
    await answer('ann', { action: 'reject', reason: 'on second thoughts' });
    expect(await outcomes()).toMatchObject([{ answer: { action: 'reject' }, by: 'ann' }]);
  });

  it('tells at its deadline who had approved', async () => {
    await ask({ timeoutMs: 60_000, onDeadline: { action: 'reject', reason: 'too late' } });
    await answer('ann');
    await store.database.write(() => expireQuestion(store, idOf()));
    const expired = { status: 'expired', answer: { action: 'reject', reason: 'too late' } };
    expect(await outcomes()).toEqual([{ ...expired, approvals: [given('ann')] }]);
  });

  it('counts 20 approvals at once, of one person as one, of two as two', async () => {
    await ask();
    const ofAnn = await Promise.allSettled(Array.from({ length: 20 }, () => answer('ann')));
    expect(ofAnn.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await question()).toMatchObject({ status: 'open', approvals: { given: [given('ann')], missing: 1 } });

    await ask({ questionId: idOf(2), approvals: { required: 2 } });
    const everybody = ['ann', 'bob', 'eve', 'oscar'];
    const mixed = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => answer(everybody[n % 4] ?? '', { action: 'approve' }, idOf(2))),
    );
    expect(mixed.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    const refusals = mixed.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []));
    expect(new Set(refusals)).toEqual(new Set(['QUESTION_CLOSED']));
    expect(await outcomes()).toMatchObject([{ approvals: [given('ann'), given('bob')] }]);
  });

  it.each<[string, Partial<AskRequest>]>([
    ['with an edit', { actions: ['approve', 'edit'] }],
    ['with an answer', { actions: ['approve', 'answer'] }],
    ['that cannot be approved', { actions: ['reject'] }],
    ['of nobody', { approvals: { required: 0 } }],
    ['of half a person', { approvals: { required: 1.5 } }],
    ['of a crowd', { approvals: { required: 21 } }],
    ['of an empty list', { approvals: { required: 2, of: [] } }],
  ])('is not asked %s', async (_what, fields) => {
    await expect(ask(fields)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(question()).rejects.toMatchObject({ code: 'QUESTION_NOT_FOUND' });
  });

  it('may take an edit where one approval is enough', async () => {
    await ask({ actions: ['approve', 'edit'], approvals: { required: 1 } });
    await answer('ann');
    expect(await outcomes()).toMatchObject([{ answer: { action: 'approve' }, approvals: [given('ann')] }]);
  });

  it('is forgotten with its run', async () => {
    await ask();
    await answer('ann');
    await store.database.write(function* () {
      yield* run(query.updateTable('runs').set({ status: 'completed' }).compile());
      yield* forgetRun(runId);
    });
    const select = query.selectFrom('question_approvals').selectAll().compile();
    expect(await store.database.read(() => all(select))).toEqual([]);
  });
});

describe('who may answer', () => {
  it('is who a question names, by name or role, an operator, and nobody else', async () => {
    await ask({ approvals: { required: 2, of: ['manager'] } });
    await expect(answer('eve')).rejects.toMatchObject({
      code: 'NOT_ASSIGNED',
      message: expect.stringContaining('is for manager, not for eve'),
      details: { mayAnswer: ['manager'] },
    });
    await expect(answer('eve', { action: 'reject' })).rejects.toMatchObject({ code: 'NOT_ASSIGNED' });
    await answer('ann');
    await answer('oscar');
    expect(await question()).toMatchObject({ status: 'answered' });

    await askOne({ questionId: idOf(2), assignee: 'eve' });
    await expect(answer('ann', { action: 'approve' }, idOf(2))).rejects.toMatchObject({ code: 'NOT_ASSIGNED' });
    await answer('eve', { action: 'approve' }, idOf(2));
  });

  it('is no two people where one of them has but the token of the mesh', async () => {
    await ask({ approvals: { required: 2, of: ['manager'] } });
    await answer('ann');
    await expect(answer('mesh')).rejects.toMatchObject({ code: 'AUTHENTICATION_REQUIRED' });
    expect(await question()).toMatchObject({ status: 'open', approvals: { given: [given('ann')], missing: 1 } });
    await askOne({ questionId: idOf(2), assignee: 'ann' });
    await answer('mesh', { action: 'approve' }, idOf(2));
  });

  it('is everybody where it names nobody', async () => {
    await askOne();
    await answer('eve');
    expect(await question()).toMatchObject({ status: 'answered', answeredBy: 'eve' });
  });

  it('grows with the escalation: who was asked before may still answer', async () => {
    const escalation = [{ afterMs: 1_000, assignee: 'manager' }];
    for (const [n, by] of [
      [1, 'eve'],
      [2, 'bob'],
    ] as const) {
      await askOne({ questionId: idOf(n), assignee: 'eve', escalation });
      await expect(answer('bob', { action: 'approve' }, idOf(n))).rejects.toMatchObject({ code: 'NOT_ASSIGNED' });
      await store.database.write(() => escalateQuestion(store, idOf(n)));
      expect(await question(idOf(n))).toMatchObject({ assignee: 'manager', mayAnswer: ['eve', 'manager'] });
      await answer(by, { action: 'approve' }, idOf(n));
    }
  });

  it('is not who only claims to be somebody', async () => {
    await askOne({ assignee: 'ann' });
    const claimed = { name: 'ann', roles: ['manager'], authenticated: false };
    await expect(
      store.database.write(() => answerQuestion(store, idOf(), { action: 'approve' }, claimed)),
    ).rejects.toMatchObject({ code: 'AUTHENTICATION_REQUIRED' });
  });

  it('is found by name and role', async () => {
    await ask({ approvals: { required: 2, of: ['manager', 'eve'] } });
    await askOne({ questionId: idOf(2), assignee: 'ann' });
    await askOne({ questionId: idOf(3) });
    expect(await list('manager')).toEqual([idOf()]);
    expect(await list('ann', 'manager')).toEqual([idOf(), idOf(2)]);
    expect(await list("'; DROP TABLE questions; --")).toEqual([]);
  });
});

describe('a mesh in which nobody has a token of their own', () => {
  it.each([
    ['no token', {}, 'local'],
    ['the token of the mesh only', { token: 'secret' }, 'mesh'],
    ['the token of the mesh only, and an event from elsewhere', { token: 'secret' }, 'dapr'],
  ])('lets everybody answer what one may decide, and nobody what several must: %s', async (_what, callers, who) => {
    await store[Symbol.asyncDispose]();
    await begin(callers);
    await askOne({ assignee: 'ann' });
    await answer(who);
    expect(await question()).toMatchObject({ status: 'answered' });
    await ask({ questionId: idOf(2) });
    for (const action of ['approve', 'reject'] as const) {
      await expect(answer(who, { action }, idOf(2))).rejects.toMatchObject({ code: 'AUTHENTICATION_REQUIRED' });
    }
    expect(await question(idOf(2))).toMatchObject({ status: 'open', approvals: { given: [] } });
  });
});

describe('approvals by message', () => {
  it('count for their senders', async () => {
    await ask({ approvals: { required: 2, of: ['manager'] } });
    await say('ann', textPart('approve'));
    expect(await question()).toMatchObject({ status: 'open', approvals: { given: [given('ann')] } });
    await expect(say('ann', textPart('approve'))).rejects.toMatchObject({ code: 'ALREADY_APPROVED' });
    await expect(say('eve', textPart('approve'))).rejects.toMatchObject({ code: 'NOT_ASSIGNED' });
    await expect(say('local', textPart('approve'))).rejects.toMatchObject({ code: 'AUTHENTICATION_REQUIRED' });
    await say('bob', dataPart({ questionId: idOf(), action: 'approve' }));
    expect(await question()).toMatchObject({ status: 'answered', answeredBy: 'bob' });
  });
});

describe('approvals by event', () => {
  let events = 0;
  const raise = (by: string, payload: unknown) =>
    store.database.write(() =>
      receiveEvent(store, { runId, name: 'Approval_Received', payload, eventId: `event-${++events}`, by }),
    );
  const event = 'approval_received';

  it('count for callers that are known, in both forms', async () => {
    await ask({ event });
    await raise('ann', { approved: true, by: 'eve', reason: 'we need it' });
    await raise('bob', { action: 'approve' });
    expect(await outcomes()).toMatchObject([{ approvals: [given('ann', 'we need it'), given('bob')] }]);
  });

  it.each(['dapr', 'event', 'local'])('never count from "%s", whoever they say they are from', async (by) => {
    await ask({ event });
    for (const payload of [
      { approved: true, by: 'ann' },
      { approved: false, by: 'ann' },
    ]) {
      await expect(raise(by, payload)).rejects.toMatchObject({ code: 'AUTHENTICATION_REQUIRED' });
    }
    expect(await question()).toMatchObject({ status: 'open', approvals: { given: [], missing: 2 } });
  });

  it('count when they came before the question; what does not fit waits for another', async () => {
    const early = [
      ['dapr', { approved: true }],
      ['ann', 'yes'],
      ['ann', { approved: true }],
      ['ann', { approved: true }],
      ['bob', { approved: true }],
      ['oscar', { approved: false }],
    ] as const;
    for (const [by, payload] of early) await raise(by, payload);
    await ask({ event });
    await store.database.write(() => answerByEarlierEvent(store, runId, idOf(), event));
    expect(await outcomes()).toMatchObject([{ by: 'bob', approvals: [given('ann'), given('bob')] }]);
    const select = query
      .selectFrom('received_events')
      .selectAll()
      .orderBy(sql`rowid`)
      .compile();
    const kept = (await store.database.read(() => all(select))).filter(({ consumed_by }) => consumed_by === null);
    expect(kept.map(({ caller }) => caller)).toEqual(['dapr', 'ann', 'ann', 'oscar']);
  });

  it('are refused and change nothing when they are no answer', async () => {
    await askOne({ event });
    for (const payload of [null, {}, { approved: 'yes' }, { action: 'edit', value: 1 }]) {
      await expect(raise('ann', payload)).rejects.toMatchObject({ code: 'ANSWER_INVALID' });
    }
    expect((await question()).status).toBe('open');
    await raise('ann', { approved: false, reason: 'no' });
    expect(await outcomes()).toMatchObject([{ answer: { action: 'reject', reason: 'no' }, by: 'ann' }]);
  });

  it('of somebody on this machine count under the name that is given', async () => {
    await store[Symbol.asyncDispose]();
    await begin({});
    await askOne({ event });
    await raise('local', { approved: true, by: 'ann' });
    expect(await question()).toMatchObject({ answeredBy: 'ann' });
  });
});

describe('the listener', () => {
  it('is told of everything in the commit that stores it, and undoes it by throwing', async () => {
    const told: QuestionEvent[] = [];
    const listening = {
      ...store,
      *onQuestion(event: QuestionEvent) {
        if (event.question.prompt === 'Refuse me') throw new Error('not now');
        yield* afterCommit(() => told.push(event));
      },
    };
    const request: AskRequest = {
      questionId: idOf(),
      runId,
      generation: 0,
      path: [],
      prompt: 'Order it?',
      actions: ['approve', 'reject'],
      approvals: { required: 2 },
    };
    await store.database.write(() => askQuestion(listening, request));
    for (const by of ['ann', 'bob']) {
      await store.database.write(() => answerQuestion(listening, idOf(), { action: 'approve' }, store.identify(by)));
    }
    expect(told.map(({ type, question: { status, approvals } }) => [type, status, approvals?.missing])).toEqual([
      ['asked', 'open', 2],
      ['approved', 'open', 1],
      ['approved', 'open', 0],
      ['answered', 'answered', 0],
    ]);
    const refused = { ...request, questionId: idOf(2), prompt: 'Refuse me' };
    await expect(store.database.write(() => askQuestion(listening, refused))).rejects.toThrow('not now');
    await expect(question(idOf(2))).rejects.toMatchObject({ code: 'QUESTION_NOT_FOUND' });
  });
});
