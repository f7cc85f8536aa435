import { MeshError } from '@daca-mesh/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Problem } from './problem.ts';
import { route } from './route.ts';
import { type ServedRoutes, serveRoutes } from './testing/serve-routes.ts';

const responses = { 200: { description: 'What was understood' } };
const text = { operationId: 'echo', summary: 'Echo', responses, errors: [] };
const echo = route({
  ...text,
  method: 'post',
  path: '/echo/{id}',
  params: z.object({ id: z.string().max(5) }),
  query: z.strictObject({ limit: z.coerce.number().int().min(1).default(10) }),
  headers: z.object({ 'idempotency-key': z.string().max(5).optional() }),
  body: {
    schema: z.strictObject({ items: z.array(z.object({ n: z.number() })) }),
    required: true,
    description: 'Anything',
  },
  handle: async ({ params, query, headers, body }) => ({
    status: 200,
    body: { id: params.id, limit: query.limit, key: headers['idempotency-key'], items: body.items },
  }),
});
const failing = (path: string, error: unknown) =>
  route({ ...text, method: 'get', path, handle: () => Promise.reject(error) });

const log: string[] = [];
let served: ServedRoutes;
beforeEach(async () => {
  log.length = 0;
  served = await serveRoutes(
    [
      echo,
      failing('/secret', new Error('password 1234')),
      failing('/busy', new MeshError('RESOURCE_EXHAUSTED', 'too much at once', { retryable: true })),
      failing('/closed', new MeshError('QUESTION_CLOSED', 'too late', { details: { answeredBy: 'ada', status: 'x' } })),
    ],
    pino({ level: 'error' }, { write: (line) => void log.push(line) }),
  );
});
afterEach(() => served[Symbol.asyncDispose]());

const post = (path: string, body: string | null, headers: Record<string, string> = {}) =>
  fetch(`${served.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
const problem = async (response: Response): Promise<Problem> => {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const body = Problem.parse(await response.json());
  expect(body).toMatchObject({ status: response.status, type: `urn:daca-mesh:error:${body.code}` });
  return body;
};

describe('a request', () => {
  it('reaches its handler checked and converted', async () => {
    const response = await post('/echo/a%2Fb?limit=3', '{"items":[{"n":1}]}', { 'idempotency-key': 'k' });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ id: 'a/b', limit: 3, key: 'k', items: [{ n: 1 }] });
  });

  it.each<[string, string, string | null, Record<string, string>, object]>([
    ['a field of the wrong type', '/echo/a', '{"items":[{"n":"x"}]}', {}, { path: 'items[0].n' }],
    ['an unknown field', '/echo/a', '{"items":[],"more":1}', {}, { path: 'body' }],
    ['no body', '/echo/a', null, {}, { path: 'body' }],
    ['broken JSON', '/echo/a', '{"items":', {}, { path: 'body', message: 'is not valid JSON' }],
    ['an unknown query parameter', '/echo/a?lmit=3', '{"items":[]}', {}, {}],
    ['a query parameter out of range', '/echo/a?limit=0', '{"items":[]}', {}, { path: 'limit' }],
    [
      'a header that is too long',
      '/echo/a',
      '{"items":[]}',
      { 'idempotency-key': '123456' },
      { path: 'idempotency-key' },
    ],
    ['an id that is too long', '/echo/123456', '{"items":[]}', {}, { path: 'id' }],
  ])('with %s is 400 and says where', async (_what, path, body, headers, violation) => {
    const response = await post(path, body, headers);
    expect(response.status).toBe(400);
    expect(await problem(response)).toMatchObject({
      code: 'INVALID_ARGUMENT',
      retryable: false,
      errors: [{ message: expect.any(String), ...violation }],
    });
  });

  it('with a path that is not valid percent-encoding is 400', async () => {
    const response = await post('/echo/%E0%A4%A', '{}');
    expect(await problem(response)).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT' });
  });

  it('with a body over the limit is 413', async () => {
    const response = await post('/echo/a', JSON.stringify({ items: 'x'.repeat(20_000) }));
    expect(await problem(response)).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' });
  });

  it('to a page that is none is 404', async () => {
    expect(await problem(await fetch(`${served.url}/nowhere`))).toMatchObject({ status: 404, code: 'NOT_FOUND' });
  });

  it.each([
    ['a content type a web page may send without asking', { 'content-type': 'text/plain' }, 415],
    ['a foreign origin', { origin: 'https://evil.example' }, 403],
  ])('with %s is refused', async (_what, headers, status) => {
    expect(await problem(await post('/echo/a', '{"items":[]}', headers))).toMatchObject({ status });
  });

  it('by another method is 405 and names the right one', async () => {
    const response = await fetch(`${served.url}/echo/a`, { method: 'DELETE' });
    expect(response.headers.get('allow')).toBe('POST');
    expect(await problem(response)).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
  });
});

describe('an error', () => {
  it('that was not foreseen says nothing of itself, but is logged', async () => {
    const response = await fetch(`${served.url}/secret`);
    expect(response.status).toBe(500);
    const body = await problem(response);
    expect(body.code).toBe('INTERNAL');
    expect(JSON.stringify(body)).not.toContain('1234');
    expect(log.join('')).toContain('password 1234');
  });

  it('that may pass says when to come again', async () => {
    const response = await fetch(`${served.url}/busy`);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problem(response)).toMatchObject({ status: 429, retryable: true });
  });

  it('carries its facts, which cannot hide the problem itself', async () => {
    const response = await fetch(`${served.url}/closed`);
    expect(await problem(response)).toMatchObject({ status: 409, code: 'QUESTION_CLOSED', answeredBy: 'ada' });
  });
});
