import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { AgentCard, Task, TaskState } from '@a2a-js/sdk';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { newId } from '../../ids.ts';
import { MeshError } from '../../mesh-error.ts';
import { textOf } from '../../parts.ts';
import { type AgentServer, type AgentServerOptions, createAgentServer } from '../agent-server.ts';
import { type Skill, skill } from '../skill.ts';
import { gate, testCard, testFolder, text } from '../testing/test-agent.ts';

const echo = skill(text, async ({ input }) => input);

async function serve(skills: Record<string, Skill> = { echo }, options: Partial<AgentServerOptions> = {}) {
  const server = await createAgentServer({
    card: testCard(Object.keys(skills)),
    skills,
    logger: pino({ level: 'silent' }),
    database: { path: join(await testFolder(), 'store.db'), durability: 'normal' },
    ...options,
  });
  onTestFinished(() => server.close());
  return server;
}

const json = { 'content-type': 'application/json' };

/** A JSON-RPC answer. */
const Answer = z.object({
  id: z.unknown(),
  result: z.unknown().optional(),
  error: z
    .object({
      code: z.number(),
      message: z.string(),
      data: z.array(z.looseObject({ '@type': z.string() })),
    })
    .optional(),
});
const ErrorBody = z.object({
  error: z.object({
    code: z.number(),
    status: z.string(),
    message: z.string(),
    details: z.array(z.looseObject({ '@type': z.string(), reason: z.string().optional() })),
  }),
});

const post = (server: AgentServer, path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(server.url + path, {
    method: 'POST',
    headers: { ...json, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

async function rpc(server: AgentServer, method: string, params: unknown, headers: Record<string, string> = {}) {
  const response = await post(server, '/a2a/jsonrpc', { jsonrpc: '2.0', id: 7, method, params }, headers);
  expect(response.headers.get('content-type')).toContain('application/json');
  return Answer.parse(await response.json());
}

const message = (fields: Record<string, unknown> = {}) => ({
  messageId: newId(),
  role: 'ROLE_USER',
  parts: [{ text: 'hello' }],
  ...fields,
});
const reasonOf = (answer: z.infer<typeof Answer>): unknown => answer.error?.data[0]?.['reason'];

async function sendTask(server: AgentServer, fields: Record<string, unknown> = {}, configuration = {}): Promise<Task> {
  const { result } = await rpc(server, 'SendMessage', { message: message(fields), configuration });
  return Task.fromJSON(z.object({ task: z.unknown() }).parse(result).task);
}

/** Reads Server-Sent Events: ids, JSON data and comments, in order. */
async function readEvents(response: Response, enough: (text: string) => boolean = () => false) {
  let received = '';
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read();
    if (!chunk || chunk.done) break;
    received += decoder.decode(chunk.value, { stream: true });
    if (enough(received)) {
      await reader?.cancel();
      break;
    }
  }
  const ids = [...received.matchAll(/^id: (\d+)$/gmu)].map(([, id]) => Number(id));
  const data = [...received.matchAll(/^data: (.+)$/gmu)].map(([, line]) => JSON.parse(line ?? '') as unknown);
  return { received, ids, data };
}

describe('both bindings', () => {
  it('send, get, list and cancel the same tasks', async () => {
    const server = await serve();
    const task = await sendTask(server);
    expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    const overRest = await post(server, '/a2a/rest/message:send', { message: message() });
    expect(overRest.status).toBe(200);
    expect(overRest.headers.get('content-type')).toContain('application/json');
    const sent = z.object({ task: z.looseObject({ id: z.string() }) }).parse(await overRest.json());
    const got = await fetch(`${server.url}/a2a/rest/tasks/${task.id}?historyLength=0`);
    expect(await got.json()).toMatchObject({ id: task.id, status: { state: 'TASK_STATE_COMPLETED' } });
    const listed = await fetch(`${server.url}/a2a/rest/tasks?pageSize=1&includeArtifacts=true`);
    expect(await listed.json()).toMatchObject({ tasks: [{ id: sent.task.id }], pageSize: 1, totalSize: 2 });
    const { result } = await rpc(server, 'ListTasks', { page_size: 0, context_id: task.contextId });
    expect(result).toMatchObject({ tasks: [{ id: task.id }], nextPageToken: '', pageSize: 50 });
    const canceled = await post(server, `/a2a/rest/tasks/${task.id}:cancel`, {});
    expect([canceled.status, await canceled.json()]).toMatchObject([
      400,
      { error: { status: 'FAILED_PRECONDITION', details: [{ reason: 'TASK_NOT_CANCELABLE' }] } },
    ]);
  });

  it('stream with generations as ids, resume behind Last-Event-ID, by GET and POST', async () => {
    const { opened, open } = gate();
    const stepped = skill(text, async ({ task, input }) => {
      await task.update('one');
      await opened;
      await task.update('two');
      return input;
    });
    const server = await serve({ stepped });
    const body = { jsonrpc: '2.0', id: 's', method: 'SendStreamingMessage', params: { message: message() } };
    const response = await post(server, '/a2a/jsonrpc', body);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    const early = await readEvents(response, (received) => received.includes('id: 2'));
    expect(early.ids).toEqual([1, 2]);
    expect(early.data[0]).toMatchObject({ id: 's', result: { task: { history: [{ role: 'ROLE_USER' }] } } });
    const { result } = await rpc(server, 'ListTasks', {});
    const { tasks } = z.object({ tasks: z.array(z.object({ id: z.string() })) }).parse(result);
    const path = `/a2a/rest/tasks/${tasks[0]?.id}:subscribe`;
    const resumed = fetch(server.url + path, { headers: { 'last-event-id': '1' } });
    const fresh = post(server, path, {});
    const rest = [await resumed, await fresh].map((each) => readEvents(each));
    open();
    const [resumedEvents, freshEvents] = await Promise.all(rest);
    expect(resumedEvents?.ids).toEqual([2, 3, 4, 5]);
    expect(freshEvents?.ids).toEqual([2, 3, 4, 5]);
    expect(resumedEvents?.data[0]).toHaveProperty('statusUpdate');
    expect(freshEvents?.data[0]).toHaveProperty('task');
    expect(freshEvents?.data.slice(1)).toEqual(resumedEvents?.data.slice(1));
  });

  it('keep a silent stream alive with comments', async () => {
    const { opened, open } = gate();
    const silent = skill(text, () => opened.then(() => ({ text: 'x' })));
    const server = await serve({ silent }, { keepaliveMs: 20 });
    const response = await post(server, '/a2a/rest/message:stream', { message: message() });
    const { received } = await readEvents(response, (all) => all.split(': keepalive').length > 3);
    expect(received).toMatch(/: keepalive\n\n: keepalive\n\n/u);
    open();
  });

  it('answer with plain JSON when a stream cannot begin', async () => {
    const server = await serve();
    const { id } = await sendTask(server);
    const terminal = await rpc(server, 'SubscribeToTask', { id });
    expect(terminal.error).toMatchObject({
      code: -32004,
      data: [{ reason: 'UNSUPPORTED_OPERATION', domain: 'a2a-protocol.org', metadata: { code: 'TASK_TERMINAL' } }],
    });
    const unknown = await fetch(`${server.url}/a2a/rest/tasks/nobody:subscribe`);
    expect([unknown.status, ErrorBody.parse(await unknown.json()).error.status]).toEqual([404, 'NOT_FOUND']);
  });

  it('finish a task whose reader has gone away', async () => {
    const { opened, open } = gate();
    const slow = skill(text, () => opened.then(() => ({ text: 'x' })));
    const server = await serve({ slow });
    const response = await post(server, '/a2a/rest/message:stream', { message: message() });
    await readEvents(response, (received) => received.includes('id: 1'));
    open();
    await expect
      .poll(async () => (await rpc(server, 'ListTasks', { status: 'TASK_STATE_COMPLETED' })).result)
      .toMatchObject({ totalSize: 1 });
  });

  it('do not offer what the card does not', async () => {
    const server = await serve();
    const push = { taskId: 't', id: 'c', url: 'https://example.com' };
    expect((await rpc(server, 'CreateTaskPushNotificationConfig', push)).error?.code).toBe(-32003);
    const inline = { message: message(), configuration: { taskPushNotificationConfig: push } };
    expect((await rpc(server, 'SendMessage', inline)).error?.code).toBe(-32003);
    expect((await rpc(server, 'GetExtendedAgentCard', undefined)).error?.code).toBe(-32004);
    const configs = await fetch(`${server.url}/a2a/rest/tasks/t/pushNotificationConfigs`);
    expect([configs.status, ErrorBody.parse(await configs.json()).error.details[0]?.reason]).toEqual([
      400,
      'PUSH_NOTIFICATION_NOT_SUPPORTED',
    ]);
  });

  it('echo the extensions they know and ignore the others', async () => {
    const server = await serve();
    const headers = { 'a2a-extensions': 'urn:daca-mesh:ext:skill:v1, https://example.com/unknown' };
    const response = await post(server, '/a2a/rest/message:send', { message: message() }, headers);
    expect(response.headers.get('a2a-extensions')).toBe('urn:daca-mesh:ext:skill:v1');
  });

  it('accept both spellings and ignore unknown fields', async () => {
    const server = await serve();
    const { result } = await rpc(server, 'SendMessage', {
      message: { message_id: newId(), role: 'ROLE_USER', parts: [{ text: 'x', media_type: 'text/plain', x: 1 }], y: 2 },
      configuration: { return_immediately: true, history_length: 0 },
      z: 3,
    });
    const { task } = z.object({ task: z.looseObject({ id: z.string() }) }).parse(result);
    expect(task).not.toHaveProperty('history');
  });
});

describe('bad messages', () => {
  const withPart = (part: unknown) => ({ message: message({ parts: [part] }) });
  it.each([
    ['no message', {}, 'message'],
    ['a message that is a list', { message: [] }, 'message'],
    ['no messageId', { message: message({ messageId: undefined }) }, 'message.messageId'],
    ['a messageId that is a number', { message: message({ messageId: 1 }) }, 'message.messageId'],
    ['an overlong messageId', { message: message({ messageId: 'x'.repeat(257) }) }, 'message.messageId'],
    ['no role', { message: message({ role: undefined }) }, 'message.role'],
    ['the role of 0.3', { message: message({ role: 'user' }) }, 'message.role'],
    ['the role of an agent', { message: message({ role: 'ROLE_AGENT' }) }, 'message.role'],
    ['no parts', { message: message({ parts: undefined }) }, 'message.parts'],
    ['empty parts', { message: message({ parts: [] }) }, 'message.parts'],
    ['parts that are no list', { message: message({ parts: {} }) }, 'message.parts'],
    ['a null part', withPart(null), 'message.parts[0]'],
    ['a part without content', withPart({ mediaType: 'text/plain' }), 'message.parts[0]'],
    ['a part with two contents', withPart({ text: 'x', data: 1 }), 'message.parts[0]'],
    ['text that is a number', withPart({ text: 5 }), 'message.parts[0].text'],
    ['raw that is not base64', withPart({ raw: '€' }), 'message.parts[0].raw'],
    ['a media type that is a number', withPart({ text: 'x', mediaType: 5 }), 'message.parts[0].mediaType'],
    ['metadata that is text', { message: message({ metadata: 'x' }) }, 'message.metadata'],
    ['references that are no list', { message: message({ referenceTaskIds: 'x' }) }, 'message.referenceTaskIds'],
    [
      'a negative historyLength',
      { message: message(), configuration: { historyLength: -1 } },
      'configuration.historyLength',
    ],
    [
      'a fractional historyLength',
      { message: message(), configuration: { historyLength: 1.5 } },
      'configuration.historyLength',
    ],
    [
      'text for a switch',
      { message: message(), configuration: { returnImmediately: 'yes' } },
      'configuration.returnImmediately',
    ],
  ])('are refused on both bindings: %s', async (_what, params, path) => {
    const server = await serve();
    const { error } = await rpc(server, 'SendMessage', params);
    expect(error).toMatchObject({ code: -32602, message: expect.stringContaining(path) });
    expect(error?.data).toMatchObject([
      { reason: 'INVALID_ARGUMENT', domain: 'a2a-protocol.org', metadata: { path } },
      { fieldViolations: [{ field: path }] },
    ]);
    const overRest = await post(server, '/a2a/rest/message:send', params);
    expect([overRest.status, ErrorBody.parse(await overRest.json()).error.status]).toEqual([400, 'INVALID_ARGUMENT']);
  });

  it.each([
    ['GetTask', {}],
    ['GetTask', { id: 7 }],
    ['GetTask', { id: 'x', historyLength: -1 }],
    ['CancelTask', {}],
    ['SubscribeToTask', { id: '' }],
    ['ListTasks', { pageSize: 101 }],
    ['ListTasks', { pageSize: -1 }],
    ['ListTasks', { pageSize: '5' }],
    ['ListTasks', { status: 'TASK_STATE_DONE' }],
    ['ListTasks', { statusTimestampAfter: 'yesterday' }],
    ['ListTasks', { pageToken: 'forged' }],
    ['SendMessage', []],
    ['SendMessage', 'text'],
  ])('%s with %j is refused', async (method, params) => {
    const server = await serve();
    expect((await rpc(server, method, params)).error?.code).toBe(-32602);
  });

  it('nested a hundred thousand levels deep are refused', async () => {
    const server = await serve();
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const body = JSON.stringify({ message: message({ parts: [{ data: 'DEEP' }] }) }).replace('"DEEP"', deep);
    const response = await post(server, '/a2a/rest/message:send', body);
    expect([response.status, ErrorBody.parse(await response.json()).error.status]).toEqual([400, 'INVALID_ARGUMENT']);
  });

  it('name the skill and path of an input that does not fit', async () => {
    const server = await serve({
      echo: skill({ ...text, input: z.strictObject({ n: z.number() }) }, async () => ({ text: '' })),
    });
    const { error } = await rpc(server, 'SendMessage', { message: message({ parts: [{ data: { n: 'x' } }] }) });
    expect(error).toMatchObject({ code: -32602, message: expect.stringContaining('n: ') });
    expect(error?.data[0]).toMatchObject({ metadata: { skill: 'echo', path: 'n' } });
  });

  it('with a messageId used before and another content are refused', async () => {
    const server = await serve();
    const params = { message: message() };
    await rpc(server, 'SendMessage', params);
    const changed = { message: { ...params.message, parts: [{ text: 'other' }] } };
    const answer = await rpc(server, 'SendMessage', changed);
    expect([answer.error?.code, reasonOf(answer)]).toEqual([-32602, 'MESSAGE_ID_REUSED']);
    expect((await post(server, '/a2a/rest/message:send', changed)).status).toBe(400);
  });
});

describe('bad envelopes', () => {
  it.each([
    ['broken JSON', '{"jsonrpc":', -32700],
    ['an empty body', '', -32600],
    ['a list', '[]', -32600],
    ['a number', '1', -32600],
    ['another version', { jsonrpc: '1.0', id: 1, method: 'GetTask' }, -32600],
    ['no method', { jsonrpc: '2.0', id: 1 }, -32600],
    ['a fractional id', { jsonrpc: '2.0', id: 1.5, method: 'GetTask' }, -32600],
    ['an unknown method', { jsonrpc: '2.0', id: 1, method: 'Nope' }, -32601],
    ['an inherited method', { jsonrpc: '2.0', id: 1, method: 'constructor' }, -32601],
    ['a method of 0.3', { jsonrpc: '2.0', id: 1, method: 'message/send', params: {} }, -32009],
  ])('%s', async (_what, body, code) => {
    const server = await serve();
    const response = await post(server, '/a2a/jsonrpc', body);
    expect(Answer.parse(await response.json()).error?.code).toBe(code);
    expect(response.status).toBe(200);
  });

  it('keep the id of the request', async () => {
    const server = await serve();
    const response = await post(server, '/a2a/jsonrpc', { jsonrpc: '2.0', id: 'mine', method: 'Nope' });
    expect(await response.json()).toMatchObject({ id: 'mine' });
  });
});

describe('versions', () => {
  it.each([
    [undefined, true],
    ['1.0', true],
    ['1.0.1', true],
    ['0.3', false],
    ['1.1', false],
    ['99.0', false],
  ])('A2A-Version %s, as header and as query', async (version, isAccepted) => {
    const server = await serve();
    const inHeader = await rpc(server, 'ListTasks', {}, version === undefined ? {} : { 'a2a-version': version });
    const query = version === undefined ? '' : `?A2A-Version=${version}`;
    const inQuery = await fetch(`${server.url}/a2a/rest/tasks${query}`);
    expect([inHeader.error?.code, inQuery.status]).toEqual(isAccepted ? [undefined, 200] : [-32009, 400]);
  });
});

describe('anything else over HTTP', () => {
  it.each([
    ['GET', '/nowhere', 404],
    ['GET', '/a2a/jsonrpc', 405],
    ['PUT', '/a2a/rest/tasks', 405],
    ['GET', '/a2a/rest/message:send', 405],
    ['GET', '/a2a/rest/nowhere', 404],
    ['GET', '/a2a/rest/tasks/%zz', 400],
    ['GET', '/%zz', 404],
    ['GET', '/a2a/rest/tasks/nobody', 404],
  ])('%s %s is answered with JSON', async (method, path, status) => {
    const server = await serve();
    const response = await fetch(server.url + path, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('x-powered-by')).toBeNull();
    expect(JSON.stringify(await response.json())).not.toMatch(/node_modules|at .+:\d+/u);
  });

  it('names the methods a resource has', async () => {
    const server = await serve();
    const response = await fetch(`${server.url}/a2a/rest/tasks/x:subscribe`, { method: 'DELETE' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST']);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''])(
    'refuses a body of type %j',
    async (type) => {
      const server = await serve();
      for (const path of ['/a2a/jsonrpc', '/a2a/rest/message:send']) {
        const response = await post(
          server,
          path,
          { jsonrpc: '2.0', id: 1, method: 'ListTasks' },
          { 'content-type': type },
        );
        expect(response.status).toBe(415);
        expect(JSON.stringify(await response.json())).toContain('CONTENT_TYPE_NOT_SUPPORTED');
      }
    },
  );

  it('accepts application/a2a+json, and answers with it when asked to', async () => {
    const server = await serve();
    const type = 'application/a2a+json';
    const response = await post(
      server,
      '/a2a/rest/message:send',
      { message: message() },
      { 'content-type': type, accept: type },
    );
    expect([response.status, response.headers.get('content-type')]).toEqual([200, `${type}; charset=utf-8`]);
    const wrong = await fetch(`${server.url}/a2a/rest/tasks/nobody`, { headers: { accept: type } });
    expect(wrong.headers.get('content-type')).toContain(type);
  });

  it('takes 200 kB and refuses 20 MB with an answer that arrives', async () => {
    const server = await serve();
    const big = await sendTask(server, { parts: [{ text: 'x'.repeat(200_000) }] });
    expect(textOf(big.artifacts[0]?.parts)).toHaveLength(200_000);
    const params = { message: message({ parts: [{ text: 'x'.repeat(20_000_000) }] }) };
    for (const path of ['/a2a/jsonrpc', '/a2a/rest/message:send']) {
      const response = await post(server, path, { jsonrpc: '2.0', id: 1, method: 'SendMessage', params, ...params });
      expect(response.status).toBe(413);
      expect(JSON.stringify(await response.json())).toContain('PAYLOAD_TOO_LARGE');
    }
  });

  it('answers with JSON to what is no HTTP', async () => {
    const server = await serve();
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.write('NONSENSE\r\n\r\n');
    await once(socket, 'close');
    expect(received).toContain('HTTP/1.1 400');
    expect(received).toContain('INVALID_ARGUMENT');
  });
});

describe('guards', () => {
  it('keep web pages away: a foreign Origin, or a Host that is not this machine', async () => {
    const server = await serve();
    const { port, host } = new URL(server.url);
    const statusOf = async (headers: Record<string, string>): Promise<number | undefined> => {
      // fetch does not let a Host header through.
      const request = httpRequest({ port, host: '127.0.0.1', path: '/a2a/rest/tasks', headers });
      request.end();
      const [response] = await once(request, 'response');
      response.resume();
      return response.statusCode;
    };
    expect(await statusOf({ origin: 'https://evil.example' })).toBe(403);
    expect(await statusOf({ origin: 'null' })).toBe(403);
    expect(await statusOf({ host: 'evil.example' })).toBe(403);
    expect(await statusOf({ host: `evil.example:${port}` })).toBe(403);
    expect(await statusOf({ host: '127.0.0.1.evil.example' })).toBe(403);
    expect(await statusOf({ host: `localhost:${port}` })).toBe(200);
    expect(await statusOf({ host: `[::1]:${port}` })).toBe(200);
    expect(await statusOf({ host, origin: `http://${host}` })).toBe(200);
  });

  it('know the public name of a server behind a proxy on this machine', async () => {
    const server = await serve({ echo }, { publicUrl: 'https://agents.example.org' });
    const { port } = new URL(server.url);
    const statusOf = async (headers: Record<string, string>): Promise<number | undefined> => {
      const request = httpRequest({ port, host: '127.0.0.1', path: '/.well-known/agent-card.json', headers });
      request.end();
      const [response] = await once(request, 'response');
      response.resume();
      return response.statusCode;
    };
    expect(await statusOf({ host: 'agents.example.org', origin: 'https://agents.example.org' })).toBe(200);
    expect(await statusOf({ host: 'agents.example.org', origin: 'https://evil.example' })).toBe(403);
    expect(await statusOf({ host: 'evil.example' })).toBe(403);
  });

  it('demand the token everywhere but at the card and the probes, and the card says so', async () => {
    const server = await serve({ echo }, { token: 'secret' });
    const statusOf = async (path: string, authorization?: string): Promise<number> => {
      const response = await fetch(server.url + path, { headers: authorization ? { authorization } : {} });
      await response.body?.cancel();
      return response.status;
    };
    for (const path of ['/healthz', '/readyz']) expect(await statusOf(path)).toBe(200);
    for (const path of ['/a2a/rest/tasks', '/readyz/more', '/', '/nowhere']) expect(await statusOf(path)).toBe(401);
    expect(await statusOf('/a2a/rest/tasks', 'Bearer wrong')).toBe(401);
    expect(await statusOf('/a2a/rest/tasks', 'Basic secret')).toBe(401);
    expect(await statusOf('/a2a/rest/tasks', 'Bearer secret')).toBe(200);
    const refused = await fetch(`${server.url}/a2a/rest/tasks`);
    expect(refused.headers.get('www-authenticate')).toBe('Bearer');
    expect(ErrorBody.parse(await refused.json()).error.status).toBe('UNAUTHENTICATED');
    const card = await fetch(`${server.url}/.well-known/agent-card.json`);
    expect(await card.json()).toMatchObject({
      securitySchemes: { bearer: { httpAuthSecurityScheme: { scheme: 'Bearer' } } },
      securityRequirements: [{ schemes: { bearer: {} } }],
    });
  });

  it('refuse to listen beyond this machine without a token', async () => {
    await expect(serve({ echo }, { host: '0.0.0.0' })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const server = await serve({ echo }, { host: '0.0.0.0', token: 'secret' });
    expect((await fetch(server.url.replace('0.0.0.0', '127.0.0.1') + '/healthz')).status).toBe(200);
  });
});

describe('the card', () => {
  it('is exact ProtoJSON with the real addresses, to be cached and revalidated', async () => {
    const server = await serve();
    const url = `${server.url}/.well-known/agent-card.json`;
    const response = await fetch(url);
    const card: unknown = await response.json();
    expect(card).toMatchObject({
      name: 'test-agent',
      supportedInterfaces: [
        { url: `${server.url}/a2a/jsonrpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
        { url: `${server.url}/a2a/rest`, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' },
      ],
    });
    expect(JSON.stringify(card)).not.toContain('$case');
    const { headers } = response;
    expect([headers.get('cache-control'), headers.get('last-modified')]).toEqual([
      expect.stringContaining('max-age'),
      expect.stringContaining('GMT'),
    ]);
    // fetch adds Cache-Control: no-cache to conditional requests.
    const conditional = httpRequest(url, { headers: { 'if-none-match': headers.get('etag') ?? '' } });
    conditional.end();
    const [again] = await once(conditional, 'response');
    again.resume();
    expect(again.statusCode).toBe(304);
  });

  it('keeps names, texts and security schemes of any script through the wire and the SDK', async () => {
    const names = { name: 'Prüfer 🤖', description: 'すべてを確かめる\u2028' };
    const server = await serve({ echo }, { card: { ...testCard(['echo']), ...names }, token: 'secret' });
    const response = await fetch(`${server.url}/.well-known/agent-card.json`);
    const bytes = await response.arrayBuffer();
    expect(bytes.byteLength).toBe(Number(response.headers.get('content-length')));
    const card = AgentCard.fromJSON(JSON.parse(new TextDecoder().decode(bytes)));
    expect(card).toMatchObject(names);
    expect(Object.values(card.securitySchemes)[0]?.scheme?.$case).toBe('httpAuthSecurityScheme');
  });

  it('is linked from the root', async () => {
    const server = await serve();
    expect(await (await fetch(server.url)).json()).toMatchObject({
      name: 'test-agent',
      links: { card: `${server.url}/.well-known/agent-card.json` },
    });
  });
});

describe('health', () => {
  it('is ready when the agent says so', async () => {
    let isReady = false;
    const server = await serve({ echo }, { ready: () => isReady });
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
    isReady = true;
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  it('tells strangers the status, and nothing of why', async () => {
    const error = new MeshError('STORE_FAILED', 'no space left on /data/store.db');
    const server = await serve({ echo }, { ready: () => Promise.reject(error), host: '0.0.0.0', token: 'secret' });
    const { port } = new URL(server.url);
    const probe = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    const [health, readiness] = await Promise.all([probe('/healthz'), probe('/readyz')]);
    expect([health.status, await health.text()]).toEqual([200, '{"status":"ok"}']);
    expect([readiness.status, await readiness.text()]).toEqual([503, '{"status":"not ready"}']);
  });
});

describe('closing', () => {
  it('ends with what the skills work with, also where the server could not start', async () => {
    const closed: string[] = [];
    const resources = (name: string) => ({
      [Symbol.asyncDispose]: async () => {
        closed.push(`${name}: ${await fetch(server.url).then(({ status }) => status, String)}`);
      },
    });
    const server = await serve({ echo }, { resources: resources('served') });
    await expect(serve({ echo }, { host: '0.0.0.0', resources: resources('open') })).rejects.toThrow('a token');
    const port = Number(new URL(server.url).port);
    await expect(serve({ echo }, { port, resources: resources('taken') })).rejects.toThrow('EADDRINUSE');
    await server.close();
    expect(closed).toEqual(['open: 200', 'taken: 200', 'served: TypeError: fetch failed']);
  });

  it('ends streams and waiting sends, frees the store, and is done once', async () => {
    const silent = skill(
      text,
      ({ task }) =>
        new Promise((_resolve, reject) => {
          task.signal.addEventListener('abort', () => reject(task.signal.reason));
        }),
    );
    const server = await serve({ silent });
    const stream = await post(server, '/a2a/rest/message:stream', { message: message() });
    const waiting = sendTask(server);
    await expect.poll(async () => (await rpc(server, 'ListTasks', {})).result).toMatchObject({ totalSize: 2 });
    const startedAt = Date.now();
    await Promise.all([server.close(), server.close()]);
    expect(Date.now() - startedAt).toBeLessThan(3_000);
    expect((await readEvents(stream)).ids).toEqual([1]);
    expect((await waiting).status?.state).toBe(TaskState.TASK_STATE_WORKING);
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow('fetch failed');
  });
});
