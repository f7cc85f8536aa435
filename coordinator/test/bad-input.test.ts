import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  http,
  type HttpInit,
  type HttpReply,
  openQuestion,
  startCoordinator,
  type TestCoordinator,
} from './coordinator.ts';

/** Whatever is sent, the answer is typed JSON a person understands, in the form of the interface it came by. */

let coordinator: TestCoordinator;
let questionId: string;
let editableId: string;
let closedId: string;
let runId: string;
beforeAll(async () => {
  coordinator = await startCoordinator();
  runId = (await http(`${coordinator.url}/workflows/review`, { text: 'a post' })).body.runId;
  closedId = (await openQuestion(coordinator.url, runId, /good/)).id;
  await http(`${coordinator.url}/questions/${closedId}/answer`, { action: 'approve', by: 'ada' });
  questionId = (await openQuestion(coordinator.url, runId, /Tell the author/)).id;
  const another = (await http(`${coordinator.url}/workflows/review`, { text: 'another post' })).body.runId;
  editableId = (await openQuestion(coordinator.url, another)).id;
});
afterAll(() => coordinator[Symbol.asyncDispose]());

const megabytes = (n: number): string => JSON.stringify({ text: 'x'.repeat(n * 1024 * 1024) });

const json = { 'content-type': 'application/json' };

describe('the HTTP API', () => {
  it.each<[string, () => [string, unknown?, HttpInit?], number, string, RegExp]>([
    ['an unknown workflow', () => ['/workflows/nope', {}], 404, 'WORKFLOW_NOT_FOUND', /no workflow nope/],
    ['an unknown run', () => ['/runs/nope'], 404, 'RUN_NOT_FOUND', /no run nope/],
    ['an unknown run to cancel', () => ['/runs/nope/cancel', {}], 404, 'RUN_NOT_FOUND', /no run nope/],
    ['an unknown run to follow', () => ['/runs/nope/events'], 404, 'RUN_NOT_FOUND', /no run nope/],
    ['an unknown run for an event', () => ['/runs/nope/events/x', {}], 404, 'RUN_NOT_FOUND', /no run nope/],
    ['an unknown question', () => ['/questions/nope'], 404, 'QUESTION_NOT_FOUND', /no question nope/],
    [
      'an answer to an unknown question',
      () => ['/questions/nope/answer', { action: 'approve' }],
      404,
      'QUESTION_NOT_FOUND',
      /nope/,
    ],
    ['an unknown page', () => ['/nope'], 404, 'NOT_FOUND', /no such page/],
    ['an input against the schema', () => ['/workflows/review', { text: 5 }], 400, 'INVALID_ARGUMENT', /^text: /],
    ['an unknown field', () => ['/workflows/review', { text: 'a', txt: 1 }], 400, 'INVALID_ARGUMENT', /txt/],
    ['no input', () => ['/workflows/review', '', { method: 'POST' }], 400, 'INVALID_ARGUMENT', /body/],
    [
      'an answer with an unknown action',
      () => [`/questions/${questionId}/answer`, { action: 'maybe' }],
      400,
      'INVALID_ARGUMENT',
      /^action: /,
    ],
    [
      'an action the question does not take',
      () => [`/questions/${questionId}/answer`, { action: 'edit', value: 1 }],
      400,
      'ANSWER_INVALID',
      /action must be one of approve, reject/,
    ],
    [
      'an answer against the schema',
      () => [`/questions/${editableId}/answer`, { action: 'edit', value: { text: 'a' } }],
      400,
      'ANSWER_INVALID',
      /value\.text/,
    ],
    [
      'an answer whose value is missing',
      () => [`/questions/${editableId}/answer`, { action: 'edit' }],
      400,
      'ANSWER_INVALID',
      /edit needs a value/,
    ],
    [
      'a compressed body that is small only on the way',
      () => ['/workflows/review', gzipSync(megabytes(20)), { headers: { ...json, 'content-encoding': 'gzip' } }],
      413,
      'PAYLOAD_TOO_LARGE',
      /large/,
    ],
    [
      'an answer too late',
      () => [`/questions/${closedId}/answer`, { action: 'approve' }],
      409,
      'QUESTION_CLOSED',
      /ada answered "approve" at/,
    ],
    ['the wrong method', () => ['/runs', {}], 405, 'METHOD_NOT_ALLOWED', /use GET/],
    ['broken JSON', () => ['/workflows/review', '{"text":'], 400, 'INVALID_ARGUMENT', /not valid JSON/],
    ['a body of 20 MB', () => ['/workflows/review', megabytes(20)], 413, 'PAYLOAD_TOO_LARGE', /large/],
    [
      'the wrong content type',
      () => ['/workflows/review', '{}', { headers: { 'content-type': 'text/plain' } }],
      415,
      'CONTENT_TYPE_NOT_SUPPORTED',
      /application\/json/,
    ],
    [
      'an unknown charset',
      () => ['/workflows/review', '{}', { headers: { 'content-type': 'application/json; charset=klingon' } }],
      415,
      'CONTENT_TYPE_NOT_SUPPORTED',
      /./,
    ],
    [
      'a foreign origin',
      () => ['/workflows/review', '{}', { headers: { ...json, origin: 'https://evil.example' } }],
      403,
      'FORBIDDEN',
      /origin/,
    ],
    ['a filter that is none', () => ['/runs?status=sleeping'], 400, 'INVALID_ARGUMENT', /^status: /],
    ['a limit that is none', () => ['/runs?limit=0'], 400, 'INVALID_ARGUMENT', /^limit: /],
    ['a cursor that is none', () => ['/runs?cursor=abc'], 400, 'INVALID_ARGUMENT', /cursor/],
    ['a wait that is none', () => [`/runs/${runId}?wait=soon`], 400, 'INVALID_ARGUMENT', /^wait: /],
    ['a path of bad escapes', () => ['/runs/%ff'], 400, 'INVALID_ARGUMENT', /./],
    ["an event of the kit's own", () => [`/runs/${runId}/events/cancel`, {}], 400, 'INVALID_ARGUMENT', /cancel/],
    [
      'an idempotency key that is too long',
      () => ['/workflows/review', { text: 'a' }, { headers: { ...json, 'idempotency-key': 'x'.repeat(300) } }],
      400,
      'INVALID_ARGUMENT',
      /idempotency-key/,
    ],
  ])('answers %s as a problem', async (_what, request, status, code, detail) => {
    const [path, body, init] = request();
    const reply = await http(`${coordinator.url}${path}`, body, init);
    expect(reply.headers.get('content-type')).toBe('application/problem+json');
    expect(reply.body).toMatchObject({
      type: `urn:daca-mesh:error:${code}`,
      title: expect.stringMatching(/^[A-Z][a-z ]+$/),
      status,
      code,
      detail: expect.stringMatching(detail),
      retryable: false,
    });
    expect(reply.status).toBe(status);
    expect(JSON.stringify(reply.body)).not.toMatch(/node_modules|\.ts:\d|<html/i);
  });

  it('tells the paths of what does not fit', async () => {
    const { body } = await http(`${coordinator.url}/workflows/review`, { text: '', deadlineMs: 'x' });
    expect(body.errors.map(({ path }: { path: string }) => path)).toEqual(['text', 'deadlineMs']);
  });

  it('refuses a foreign Host', async () => {
    const { port } = new URL(coordinator.url);
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; body: string }>();
    httpRequest({ port, path: '/runs', headers: { host: 'evil.example' } }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode, body }));
    })
      .on('error', reject)
      .end();
    const { status, body } = await promise;
    expect(status).toBe(403);
    expect(JSON.parse(body)).toMatchObject({ code: 'FORBIDDEN' });
  });
});

const rpc = (method: string, params: unknown, headers: Record<string, string> = {}): Promise<HttpReply> =>
  http(
    `${coordinator.url}/a2a/jsonrpc`,
    { jsonrpc: '2.0', id: 1, method, params },
    {
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0', ...headers },
    },
  );
const message = (fields: object): object => ({
  message: { messageId: crypto.randomUUID(), role: 'ROLE_USER', parts: [{ text: 'x' }], ...fields },
});
const data = (value: unknown, fields: object = {}): object => message({ parts: [{ data: value }], ...fields });
const reason = ({ body }: HttpReply): string | undefined =>
  body.error?.data?.find((detail: { reason?: string }) => detail.reason !== undefined)?.reason;

describe('the A2A interface', () => {
  it.each<[string, () => Promise<HttpReply>, number, string, RegExp]>([
    [
      'an unknown skill',
      () => rpc('SendMessage', data({ skill: 'nope', input: {} })),
      -32602,
      'SKILL_NOT_FOUND',
      /nope/,
    ],
    ['data that two skills take', () => rpc('SendMessage', data({ text: 'a' })), -32602, 'SKILL_REQUIRED', /skill/],
    ['data that no skill takes', () => rpc('SendMessage', data({ x: 1 })), -32602, 'SKILL_REQUIRED', /skill/],
    [
      'an input against the schema',
      () => rpc('SendMessage', data({ skill: 'review', input: { text: 5 } })),
      -32602,
      'INVALID_ARGUMENT',
      /text/,
    ],
    ['empty parts', () => rpc('SendMessage', message({ parts: [] })), -32602, 'INVALID_ARGUMENT', /parts/],
    ['the wrong role', () => rpc('SendMessage', message({ role: 'ROLE_AGENT' })), -32602, 'INVALID_ARGUMENT', /role/],
    ['an unknown task', () => rpc('GetTask', { id: 'nope' }), -32001, 'TASK_NOT_FOUND', /task/],
    ['an unknown method', () => rpc('DoMagic', {}), -32601, 'METHOD_NOT_ALLOWED', /DoMagic|method/i],
    [
      'the wrong version',
      () => rpc('GetTask', { id: 'x' }, { 'a2a-version': '0.3' }),
      -32009,
      'VERSION_NOT_SUPPORTED',
      /1\.0/,
    ],
    [
      'an approval that names no question, after an earlier one',
      () => rpc('SendMessage', data({ action: 'approve' }, { taskId: runId })),
      -32602,
      'QUESTION_ID_REQUIRED',
      /question/,
    ],
    [
      'an answer to a closed question',
      () => rpc('SendMessage', message({ parts: [{ text: `approve ${closedId}` }], taskId: runId })),
      -32004,
      'UNSUPPORTED_OPERATION',
      /ada answered/,
    ],
    [
      'an answer against the schema',
      () => rpc('SendMessage', data({ questionId, action: 'answer', value: 1 }, { taskId: runId })),
      -32602,
      'ANSWER_INVALID',
      /answer/,
    ],
  ])('answers %s as a JSON-RPC error', async (_what, send, code, expected, text) => {
    const reply = await send();
    expect(reply.headers.get('content-type')).toContain('application/json');
    expect(reply.body).toMatchObject({ jsonrpc: '2.0', error: { code, message: expect.stringMatching(text) } });
    expect(reason(reply)).toBe(expected);
    expect(JSON.stringify(reply.body)).not.toMatch(/node_modules|\.ts:\d|<html/i);
  });

  it('is not troubled by the question that stayed open', async () => {
    const { body } = await http(`${coordinator.url}/questions/${questionId}`);
    expect(body.status).toBe('open');
  });

  it.each<[string, string | Buffer, Record<string, string>, number, number]>([
    ['broken JSON', '{"jsonrpc":', {}, 200, -32700],
    ['20 MB', megabytes(20), {}, 413, -32600],
    ['another content type', '{}', { 'content-type': 'text/plain' }, 415, -32005],
    ['a foreign origin', '{}', { origin: 'https://evil.example' }, 403, -32600],
    ['a method of A2A 0.3', '{"jsonrpc":"2.0","id":1,"method":"message/send","params":{}}', {}, 200, -32009],
  ])('answers %s in its own form', async (_what, body, headers, status, code) => {
    const reply = await http(`${coordinator.url}/a2a/jsonrpc`, body, { headers });
    expect(reply).toMatchObject({ status, body: { jsonrpc: '2.0', error: { code, message: expect.any(String) } } });
    expect(reason(reply)).toMatch(/^[A-Z_]+$/);
  });
});
