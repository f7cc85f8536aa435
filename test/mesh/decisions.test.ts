import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ended,
  type Entry,
  post,
  type Question,
  questionOf,
  readQuestion,
  riskyText,
  startRun,
  timeline,
} from './api.ts';
import { auditEntries, posts, statusChanges } from './effects.ts';
import { eventually, Mesh } from './mesh.ts';

/** What a person decides, or fails to decide, about a post, down to what is stored about it in the end. */

let mesh: Mesh;
const base = () => mesh.coordinator;
beforeAll(async () => {
  mesh = await Mesh.start({ peers: ['moderator-toxicity', 'moderator-spam', 'moderator-violence', 'records'] });
}, 60_000);
afterAll(() => mesh[Symbol.asyncDispose]());

const ask = async (postId: string, deadlineMs?: number): Promise<Question> => {
  const input = { text: riskyText, postId, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
  const run = await startRun(base, 'content-moderation', input, randomUUID());
  return questionOf(base, run.runId);
};
const answer = (question: Question, body: object) =>
  post<{ code?: string }>(`${base()}/questions/${question.id}/answer`, body);
const typesOf = (entries: Entry[]): string[] => entries.map(({ type }) => type);

describe('a question nobody answers', () => {
  it('goes to the next one, then the safe default is taken', { timeout: 60_000 }, async () => {
    const question = await ask('post-silence', 3_000);
    await eventually(
      () => readQuestion(base, question.id),
      ({ assignee }) => assignee === 'lead-moderator',
      { what: 'the escalation' },
    );
    const run = await ended(base, question.runId);
    expect(run).toMatchObject({ status: 'completed', output: { decision: 'rejected', decidedBy: 'policy' } });
    const types = typesOf(await timeline(base, question.runId));
    expect(types.filter((type) => type.startsWith('question-'))).toEqual([
      'question-asked',
      'question-escalated',
      'question-expired',
    ]);
    expect(posts(mesh, 'post-silence')).toMatchObject([{ status: 'rejected' }]);
    expect(auditEntries(mesh, 'post-silence')).toHaveLength(1);
    const late = await answer(question, { action: 'approve', by: 'ada' });
    expect(late).toMatchObject({ status: 409, body: { code: 'QUESTION_CLOSED', outcome: 'expired' } });
  });

  it('has one outcome when an answer comes at its deadline', { timeout: 60_000 }, async () => {
    const question = await ask('post-last-moment', 1_500);
    const deadline = Date.parse((await readQuestion(base, question.id)).deadline ?? '');
    const statuses = await Promise.all(
      [-20, -10, -5, -2, -1, 0, 1, 2, 5, 10].map(async (offset) => {
        await new Promise((wake) => setTimeout(wake, deadline + offset - Date.now()));
        return (await answer(question, { action: 'approve', by: 'ada' })).status;
      }),
    );
    const run = await ended(base, question.runId);
    const wasAnswered = (await readQuestion(base, question.id)).status === 'answered';
    expect(statuses.filter((status) => status === 200)).toHaveLength(wasAnswered ? 1 : 0);
    expect(run.output).toMatchObject(
      wasAnswered ? { decision: 'approved', decidedBy: 'ada' } : { decision: 'rejected', decidedBy: 'policy' },
    );
    const status = wasAnswered ? 'approved' : 'rejected';
    expect(posts(mesh, 'post-last-moment')).toMatchObject([{ status }]);
    expect(statusChanges(mesh, 'post-last-moment')).toHaveLength(1);
  });
});

describe('answers', () => {
  it('that contradict each other at the same moment are one decision', { timeout: 60_000 }, async () => {
    const question = await ask('post-contradiction');
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        answer(question, n % 2 === 0 ? { action: 'approve', by: `p${n}` } : { action: 'reject', by: `p${n}` }),
      ),
    );
    expect(replies.filter(({ status }) => status === 409)).toHaveLength(9);
    const winner = replies.findIndex(({ status }) => status === 200);
    const decision = winner % 2 === 0 ? 'approved' : 'rejected';
    const run = await ended(base, question.runId);
    expect(run.output).toMatchObject({ decision, decidedBy: `p${winner}` });
    expect(posts(mesh, 'post-contradiction')).toMatchObject([{ status: decision }]);
    expect(statusChanges(mesh, 'post-contradiction')).toHaveLength(1);
    expect(auditEntries(mesh, 'post-contradiction')).toHaveLength(1);
  });

  it('that edit change the post', { timeout: 60_000 }, async () => {
    const question = await ask('post-edit');
    const wrong = await answer(question, { action: 'edit', value: { txt: 'kinder' } });
    expect(wrong).toMatchObject({ status: 400, body: { code: 'ANSWER_INVALID' } });
    expect((await answer(question, { action: 'edit', value: { text: 'kinder' }, by: 'ada' })).status).toBe(200);
    const run = await ended(base, question.runId);
    expect(run.output).toMatchObject({ decision: 'edited', text: 'kinder', decidedBy: 'ada' });
    expect(posts(mesh, 'post-edit')).toMatchObject([{ status: 'edited', text: 'kinder' }]);
  });

  it('are refused once the run was canceled, and nothing was decided', { timeout: 60_000 }, async () => {
    const question = await ask('post-canceled');
    await post(`${base()}/runs/${question.runId}/cancel`, { reason: 'spam wave' });
    expect(await ended(base, question.runId)).toMatchObject({ status: 'canceled' });
    expect(await answer(question, { action: 'approve' })).toMatchObject({
      status: 409,
      body: { code: 'QUESTION_CLOSED', outcome: 'withdrawn' },
    });
    expect(posts(mesh, 'post-canceled')).toMatchObject([{ status: 'pending' }]);
    expect(statusChanges(mesh, 'post-canceled')).toEqual([]);
  });
});

describe('one message', () => {
  interface Reply {
    result?: { task: { id: string } };
    error?: { code: number; data: { reason?: string }[] };
  }
  const send = async (messageId: string, postId: string): Promise<Reply> => {
    const data = { skill: 'content-moderation', input: { text: riskyText, postId } };
    const message = { messageId, role: 'ROLE_USER', parts: [{ data }] };
    const params = { message, configuration: { returnImmediately: true } };
    const request = { jsonrpc: '2.0', id: 1, method: 'SendMessage', params };
    return (await post<Reply>(`${base()}/a2a/jsonrpc`, request, { 'a2a-version': '1.0' })).body;
  };

  it('is one run, however often it comes, also 20 times at once', { timeout: 60_000 }, async () => {
    const messageId = randomUUID();
    const replies = await Promise.all(Array.from({ length: 20 }, () => send(messageId, 'post-repeated')));
    const ids = new Set(replies.map(({ result }) => result?.task.id));
    expect(ids.size).toBe(1);
    const [runId = ''] = ids;
    const question = await questionOf(base, runId);
    expect((await send(messageId, 'post-repeated')).result?.task.id).toBe(runId);
    const other = await send(messageId, 'post-other');
    expect(other.error).toMatchObject({ code: -32602 });
    expect(other.error?.data.map(({ reason }) => reason)).toContain('MESSAGE_ID_REUSED');
    await answer(question, { action: 'approve', by: 'ada' });
    await ended(base, runId);
    expect((await send(messageId, 'post-repeated')).result?.task.id).toBe(runId);
    expect(posts(mesh, 'post-repeated')).toHaveLength(1);
    expect(statusChanges(mesh, 'post-repeated')).toHaveLength(1);
    expect(posts(mesh, 'post-other')).toEqual([]);
  });
});
