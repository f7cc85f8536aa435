import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  http,
  type HttpInit,
  openQuestion as findQuestion,
  startCoordinator,
  type TestCoordinator,
} from './coordinator.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator();
});
afterAll(() => coordinator[Symbol.asyncDispose]());

const api = (path: string, body?: unknown, init?: HttpInit) => http(`${coordinator.url}${path}`, body, init);
const start = async (workflow: string, input: unknown): Promise<string> => {
  const { status, body } = await api(`/workflows/${workflow}`, input);
  expect(status).toBe(202);
  return body.runId;
};
const openQuestion = (runId: string, prompt?: RegExp) => findQuestion(coordinator.url, runId, prompt);
const ended = async (runId: string) => {
  await expect
    .poll(async () => (await api(`/runs/${runId}?wait=5s`)).body.status, { timeout: 20_000 })
    .toMatch(/completed|failed|canceled/);
  return (await api(`/runs/${runId}`)).body;
};

describe('a run', () => {
  it('is started, asked about, answered twice and completed', async () => {
    const started = await api('/workflows/review', { text: 'a post' });
    const { runId } = started.body;
    expect(started.headers.get('location')).toBe(`/runs/${runId}`);
    expect(started.headers.get('retry-after')).toBe('1');
    const first = await openQuestion(runId);
    expect(first).toMatchObject({ runId, prompt: 'Is "a post" good?', status: 'open', arguments: { text: 'a post' } });
    await expect.poll(async () => (await api(`/runs/${runId}`)).body.status).toBe('waiting');
    const answered = await api(`/questions/${first.id}/answer`, {
      action: 'edit',
      value: { text: 'milder' },
      by: 'ada',
    });
    expect(answered).toMatchObject({ status: 200, body: { status: 'answered', answeredBy: 'ada' } });
    const second = await openQuestion(runId);
    await api(`/questions/${second.id}/answer`, { action: 'approve' });
    const run = await ended(runId);
    expect(run).toMatchObject({
      status: 'completed',
      output: { decisions: ['answered: edit', 'answered: approve'], by: ['ada', 'local'] },
    });
    expect((await api('/runs?workflow=review&status=completed')).body.runs).toContainEqual(run);
    const { entries, nextCursor } = (await api(`/runs/${runId}/timeline`)).body;
    expect(nextCursor).toBeNull();
    expect(entries.map(({ type }: { type: string }) => type)).toEqual([
      'run-started',
      'question-asked',
      'question-answered',
      'question-asked',
      'question-answered',
      'run-completed',
    ]);
    const page = (await api(`/runs/${runId}/timeline?limit=2`)).body;
    const next = (await api(`/runs/${runId}/timeline?limit=2&cursor=${page.nextCursor}`)).body;
    expect([...page.entries, ...next.entries]).toEqual(entries.slice(0, 4));
  });

  it('is one run, however often it is started with the same key, also 20 times at once', async () => {
    const init = { headers: { 'idempotency-key': randomUUID() } };
    const replies = await Promise.all(Array.from({ length: 20 }, () => api('/workflows/review', { text: 'x' }, init)));
    expect(new Set(replies.map(({ status, body }) => `${status} ${body.runId}`)).size).toBe(1);
    expect(await api('/workflows/review', { text: 'another' }, init)).toMatchObject({
      status: 422,
      body: { code: 'MESSAGE_ID_REUSED', retryable: false },
    });
  });

  it('streams what happens to its end, and again from any entry', async () => {
    const runId = await start('listen', { text: 'a' });
    const read = async (after: number): Promise<number[]> => {
      const headers = after === 0 ? {} : { 'last-event-id': String(after) };
      const text = await (await fetch(`${coordinator.url}/runs/${runId}/events`, { headers })).text();
      return [...text.matchAll(/^id: (\d+)\ndata: \{"seq":\1,/gm)].map(([, id]) => Number(id));
    };
    const live = read(0);
    await expect
      .poll(async () => (await api(`/runs/${runId}/timeline`)).body.entries.length, { timeout: 15_000 })
      .toBe(2);
    expect((await api(`/runs/${runId}/events/go-ahead`, { now: true })).status).toBe(202);
    const all = await live;
    expect(all).toEqual([1, 2, 3, 4]);
    expect(await read(2)).toEqual([3, 4]);
    const rest = await fetch(`${coordinator.url}/runs/${runId}/events`, { headers: { 'last-event-id': '4' } });
    expect([rest.status, await rest.text()]).toEqual([204, '']);
    expect(await ended(runId)).toMatchObject({ output: { heard: { now: true } } });
  });

  it('counts one of 20 answers that come at once, and tells the others which', async () => {
    const question = await openQuestion(await start('review', { text: 'a' }));
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, n) => api(`/questions/${question.id}/answer`, { action: 'approve', by: `p${n}` })),
    );
    const accepted = replies.filter(({ status }) => status === 200);
    expect(accepted).toHaveLength(1);
    const refused = replies.filter(({ status }) => status !== 200).map(({ body }) => body);
    const told = { status: 409, code: 'QUESTION_CLOSED', answeredBy: accepted[0]?.body.answeredBy };
    expect(refused).toEqual(Array.from({ length: 19 }, () => expect.objectContaining(told)));
  });

  it('takes an event under the same key once', async () => {
    const runId = await start('listen', { text: 'a' });
    const init = { headers: { 'idempotency-key': 'the-event' } };
    await api(`/runs/${runId}/events/GO-AHEAD`, 1, init);
    expect((await api(`/runs/${runId}/events/GO-AHEAD`, 2, init)).status).toBeLessThan(500);
    expect(await ended(runId)).toMatchObject({ output: { heard: 1 } });
    const received = (await api(`/runs/${runId}/timeline`)).body.entries.filter(
      ({ type }: { type: string }) => type === 'event-received',
    );
    expect(received).toHaveLength(1);
  });

  it('refuses another event under a key that was used, and keeps the first', async () => {
    const runId = await start('review', { text: 'a' });
    const init = { headers: { 'idempotency-key': 'the-event' } };
    const say = (name: string, payload: unknown) => api(`/runs/${runId}/events/${name}`, payload, init);
    expect((await say('news', { a: 1, b: 2 })).status).toBe(202);
    expect((await say('NEWS', { b: 2, a: 1 })).status).toBe(202);
    for (const reply of [await say('news', { a: 2 }), await say('gossip', { a: 1, b: 2 })]) {
      expect(reply).toMatchObject({ status: 422, body: { code: 'MESSAGE_ID_REUSED' } });
    }
    const other = await start('review', { text: 'b' });
    expect((await api(`/runs/${other}/events/news`, { a: 2 }, init)).status).toBe(202);
    const { entries } = (await api(`/runs/${runId}/timeline`)).body;
    const received = entries.filter(({ type }: { type: string }) => type === 'event-received');
    expect(received).toMatchObject([{ data: { event: 'news', payload: { a: 1, b: 2 } } }]);
  });

  it('is suspended, resumed and canceled', async () => {
    const runId = await start('review', { text: 'a' });
    const question = await openQuestion(runId);
    expect((await api(`/runs/${runId}/suspend`, '', { method: 'POST' })).body.status).toBe('suspended');
    expect((await api(`/runs/${runId}/resume`, {})).body.status).toBe('waiting');
    expect((await api(`/runs/${runId}/cancel`, { reason: 'no longer needed' })).status).toBe(202);
    expect(await ended(runId)).toMatchObject({ status: 'canceled' });
    expect(await api(`/questions/${question.id}`)).toMatchObject({ body: { status: 'withdrawn' } });
    for (const path of ['cancel', 'suspend', 'resume', 'events/x']) {
      expect(await api(`/runs/${runId}/${path}`, {})).toMatchObject({ status: 409, body: { code: 'RUN_FINISHED' } });
    }
  });

  it('takes the safe default at the deadline', async () => {
    const runId = await start('review', { text: 'a', deadlineMs: 50 });
    await expect
      .poll(async () => (await api(`/questions?status=expired&runId=${runId}`)).body.questions.length, {
        timeout: 15_000,
      })
      .toBe(1);
    const [late] = (await api(`/questions?status=expired&runId=${runId}`)).body.questions;
    expect(await api(`/questions/${late.id}/answer`, { action: 'approve' })).toMatchObject({
      status: 409,
      body: { code: 'QUESTION_CLOSED', answer: { action: 'reject', reason: 'nobody looked' } },
    });
    const second = await openQuestion(runId);
    await api(`/questions/${second.id}/answer`, { action: 'approve' });
    expect((await ended(runId)).output.decisions).toEqual(['expired: reject', 'answered: approve']);
  });

  it('has one outcome when answers and the deadline come at the same moment', async () => {
    const runId = await start('review', { text: 'a', deadlineMs: 1_500 });
    const question = await openQuestion(runId);
    const replies: Promise<{ status: number }>[] = [];
    const deadline = Date.parse(question.deadline);
    await expect.poll(() => Date.now(), { interval: 5, timeout: 10_000 }).toBeGreaterThan(deadline - 50);
    await expect
      .poll(
        () => {
          replies.push(api(`/questions/${question.id}/answer`, { action: 'approve', by: `p${replies.length}` }));
          return Date.now() > deadline + 20;
        },
        { interval: 1, timeout: 10_000 },
      )
      .toBe(true);
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    const { body: closed } = await api(`/questions/${question.id}`);
    expect(statuses.filter((status) => status === 200)).toHaveLength(closed.status === 'answered' ? 1 : 0);
    expect(new Set(statuses)).toEqual(closed.status === 'answered' ? new Set([200, 409]) : new Set([409]));
    const second = await openQuestion(runId);
    await api(`/questions/${second.id}/answer`, { action: 'approve' });
    const expected = closed.status === 'answered' ? 'answered: approve' : 'expired: reject';
    expect((await ended(runId)).output.decisions[0]).toBe(expected);
  });
});

describe('the API', () => {
  it('describes every route it has, and has every route it describes', async () => {
    const { body: document } = await api('/openapi.json');
    expect(document.openapi).toBe('3.1.0');
    const runId = await start('review', { text: 'a' });
    const question = await openQuestion(runId);
    const finished = await start('review', { text: 'b' });
    for (const prompt of [/good/, /author/]) {
      await api(`/questions/${(await openQuestion(finished, prompt)).id}/answer`, { action: 'approve' });
    }
    await ended(finished);
    const values: Record<string, string> = { name: 'review', runId, questionId: question.id, artifactId: 'result' };
    const operations = Object.entries<Record<string, unknown>>(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ path, method })),
    );
    expect(operations.length).toBeGreaterThanOrEqual(16);
    for (const { path, method } of operations) {
      // Only a run that has ended has artifacts.
      const ids = path.includes('artifactId') ? { ...values, runId: finished } : values;
      const url = `${coordinator.url}${path.replaceAll(/\{(\w+)\}/g, (_, name) => ids[name] ?? name)}`;
      // What is asked without a body, or about a stream's head, must at least be understood.
      const response = await fetch(url, { method: method === 'get' ? 'HEAD' : 'POST' });
      const detail = (await response.text()).includes('there is no delivery') ? 'no delivery' : response.status;
      expect(`${method} ${path} ${detail}`).not.toMatch(/ (404|405|5\d\d)$/);
      const wrong = await http(url, undefined, { method: 'DELETE' });
      expect(wrong).toMatchObject({ status: 405, body: { code: 'METHOD_NOT_ALLOWED' } });
    }
    const ids = operations.map(({ path, method }) => document.paths[path][method].operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('lists its links, workflows and peers, and says that it is ready', async () => {
    const { body: index } = await api('/');
    const { jsonrpc: _jsonrpc, rest: _rest, ...pages } = index.links;
    for (const link of Object.values<string>(pages)) {
      expect((await fetch(`${coordinator.url}${link}`)).status).toBe(200);
    }
    const { workflows } = (await api('/workflows')).body;
    expect(workflows.map(({ name }: { name: string }) => name)).toEqual(['review', 'listen']);
    expect(workflows[0].input).toMatchObject({ type: 'object', required: ['text'] });
    expect((await api('/peers')).body).toEqual({ peers: [] });
    expect((await api('/readyz')).status).toBe(200);
  });

  it('demands the token where one is set, in its own form of errors', async () => {
    await using secured = await startCoordinator({ MESH_TOKEN: 'secret-token' });
    const denied = await http(`${secured.url}/runs`);
    expect(denied).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
    const headers = { authorization: 'Bearer secret-token' };
    const allowed = await http(`${secured.url}/runs`, undefined, { headers });
    expect(allowed).toMatchObject({ status: 200, body: { runs: [], nextCursor: null } });
    expect((await http(`${secured.url}/openapi.json`, undefined, { headers })).body.security).toEqual([{ bearer: [] }]);
  });

  it('names who answered by the token, whatever the answer says', async () => {
    await using secured = await startCoordinator({ MESH_TOKEN: 'secret-token' });
    const headers = { authorization: 'Bearer secret-token' };
    const { runId } = (await http(`${secured.url}/workflows/review`, { text: 'a' }, { headers })).body;
    const question = await findQuestion(secured.url, runId, /good/, headers);
    const answer = { action: 'approve', by: 'the boss' };
    const { body } = await http(`${secured.url}/questions/${question.id}/answer`, answer, { headers });
    expect(body).toMatchObject({ status: 'answered', answeredBy: 'mesh' });
  });

  it('says when its engine is away, and takes runs all the same', async () => {
    await using lonely = await startCoordinator({ DAPR_GRPC_ENDPOINT: '127.0.0.1:1' });
    expect((await http(`${lonely.url}/readyz`)).status).toBe(503);
    expect((await http(`${lonely.url}/healthz`)).status).toBe(200);
    const started = await http(`${lonely.url}/workflows/review`, { text: 'a' });
    expect(started).toMatchObject({ status: 202, body: { status: 'pending' } });
  });

  it('ends streams and long polls when it stops', async () => {
    const stopping = await startCoordinator();
    const { runId } = (await http(`${stopping.url}/workflows/review`, { text: 'a' })).body;
    const stream = await fetch(`${stopping.url}/runs/${runId}/events`);
    const longPoll = http(`${stopping.url}/runs/${runId}?wait=30s`);
    // Sent later and answered: by now the others are being served.
    await http(`${stopping.url}/runs/${runId}`);
    const startedAt = performance.now();
    await stopping[Symbol.asyncDispose]();
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    expect(await stream.text()).toContain('run-started');
    expect((await longPoll).status).toBe(200);
  });
});
