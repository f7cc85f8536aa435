import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AgentCard, Role, type Task, TaskState } from '@a2a-js/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { textOf } from '../parts.ts';
import { collect } from '../testing/collect.ts';
import { type ForeignAgent, startForeignAgent } from '../testing/foreign-agent.ts';
import { AgentClient, type AgentEvent, taskError, taskQuestion, taskResult } from './index.ts';

const kinds = (events: readonly AgentEvent[]) => events.map(({ response }) => response.payload?.$case);
const stateOf = (task: Task) => task.status?.state;

describe.each(['JSONRPC', 'HTTP+JSON'] as const)('AgentClient with a foreign agent over %s', (binding) => {
  let agent: ForeignAgent;
  let client: AgentClient;

  beforeAll(async () => {
    agent = await startForeignAgent({ bindings: [binding] });
    client = await AgentClient.connect(agent.url);
  });
  afterAll(async () => agent[Symbol.asyncDispose]());

  it('sends and waits for the result', async () => {
    const task = await client.send({ text: 'hello', blocking: true });
    expect(stateOf(task)).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(taskResult(task)).toBe('HELLO');
  });

  it('says in text what a text-only agent would not read as data', async () => {
    expect(taskResult(await client.send({ skill: 'echo', input: { text: 'plain' }, blocking: true }))).toBe('PLAIN');
    expect(taskResult(await client.send({ input: { a: 1 }, blocking: true }))).toBe('{"A":1}');
  });

  it('returns at once by default and finds the result later', async () => {
    const task = await client.send({ text: 'slow' });
    expect(taskResult(task)).toBeUndefined();
    await expect.poll(async () => taskResult(await client.get(task.id)), { timeout: 5_000 }).toBe('SLOW');
  });

  it('wraps a bare message into a completed task', async () => {
    const task = await client.send({ text: 'reply', blocking: true });
    expect(task.id).toBe('');
    expect(taskResult(task)).toBe('just a message');
  });

  it('streams from the task to the terminal status', async () => {
    const events = await collect(client.stream({ text: 'slow' }));
    expect(kinds(events)[0]).toBe('task');
    expect(kinds(events)).toContain('artifactUpdate');
    const last = events.at(-1)?.response.payload;
    expect(last?.$case === 'statusUpdate' && last.value.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('stays with a task whose stream closed at a question, and sees the answer take effect', async () => {
    const states: (TaskState | undefined)[] = [];
    for await (const { response } of client.stream({ text: 'ask' })) {
      const { payload } = response;
      if (payload?.$case !== 'task' && payload?.$case !== 'statusUpdate') continue;
      states.push(payload.value.status?.state);
      if (states.at(-1) !== TaskState.TASK_STATE_INPUT_REQUIRED) continue;
      const taskId = payload.$case === 'task' ? payload.value.id : payload.value.taskId;
      const question = taskQuestion(await client.get(taskId));
      expect(question).toMatchObject({ prompt: 'What is your name?', actions: ['answer'] });
      await client.answer(taskId, { action: 'answer', value: 'ada' });
    }
    expect(states.at(-1)).toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('tells why a task failed', async () => {
    const task = await client.send({ text: 'fail', blocking: true });
    expect(taskError(task)).toMatchObject({ code: 'PEER_FAILED', message: 'it broke', retryable: false });
  });

  it('subscribes to a running task', async () => {
    const { id } = await client.send({ text: 'slow' });
    const events = await collect(client.subscribe(id));
    expect(kinds(events)[0]).toBe('task');
    expect(taskResult(await client.get(id))).toBe('SLOW');
  });

  it('yields the task once when it has ended already', async () => {
    const { id } = await client.send({ text: 'done', blocking: true });
    expect(kinds(await collect(client.subscribe(id)))).toEqual(['task']);
  });

  it('pages through tasks', async () => {
    const contextId = crypto.randomUUID();
    for (const text of ['one', 'two', 'three']) await client.send({ text, contextId, blocking: true });
    const first = await client.list({ contextId, pageSize: 2 });
    expect(first.tasks).toHaveLength(2);
    const second = await client.list({ contextId, pageSize: 2, pageToken: first.nextPageToken });
    expect(second.tasks).toHaveLength(1);
    expect(second.nextPageToken).toBe('');
    expect((await client.list({ contextId, status: TaskState.TASK_STATE_FAILED })).tasks).toEqual([]);
  });

  it('keeps the history when asked', async () => {
    const { id } = await client.send({ text: 'remember', blocking: true });
    const [message] = (await client.get(id, { historyLength: 5 })).history;
    expect(message?.role).toBe(Role.ROLE_USER);
    expect(textOf(message?.parts)).toBe('remember');
  });

  it('turns refusals into typed errors that keep the reason', async () => {
    await expect(client.get('no-such-task')).rejects.toMatchObject({
      code: 'TASK_NOT_FOUND',
      retryable: false,
      details: { reason: 'TASK_NOT_FOUND', sent: true },
    });
    const { id } = await client.send({ text: 'done', blocking: true });
    await expect(client.cancel(id)).rejects.toMatchObject({ code: 'TASK_NOT_CANCELABLE' });
    await expect(client.send({ text: 'more', taskId: id })).rejects.toMatchObject({
      details: { reason: 'UNSUPPORTED_OPERATION' },
    });
  });

  it('refuses a message without content before sending', async () => {
    await expect(client.send({})).rejects.toThrow(TypeError);
  });
});

it('polls where the agent has no streams', async () => {
  await using agent = await startForeignAgent({ streaming: false });
  const client = await AgentClient.connect(agent.url);
  const events = await collect(client.stream({ text: 'slow' }));
  const last = events.at(-1)?.response.payload;
  expect(last?.$case === 'task' && taskResult(last.value)).toBe('SLOW');
  expect(agent.executions).toBe(1);
});

/** A server that answers as a test tells it to. */
async function serve(handler: Parameters<typeof createServer>[1]): Promise<{ server: Server; url: string }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A listening TCP server has an address object.
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const cardFor = (url: string, fields: Record<string, unknown> = {}) => ({
  name: 'scripted',
  description: 'Answers as told',
  version: '1.0.0',
  supportedInterfaces: [{ url: `${url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: {},
  skills: [],
  ...fields,
});

const idempotent = { extensions: [{ uri: 'urn:daca-mesh:ext:idempotency:v1', params: { windowDays: 90 } }] };
const completed = { id: 't1', contextId: 'c1', status: { state: 'TASK_STATE_COMPLETED' } };

describe('AgentClient and the card', () => {
  it('revalidates the card by its ETag', async () => {
    let description = 'first';
    const requests: (string | undefined)[] = [];
    const { server, url } = await serve((request, response) => {
      requests.push(request.headers['if-none-match']);
      const etag = `"${description}"`;
      if (request.headers['if-none-match'] === etag) response.writeHead(304).end();
      else response.setHeader('etag', etag).end(JSON.stringify({ ...cardFor(url), description }));
    });
    const client = await AgentClient.connect(url);
    expect(await client.refresh()).toBe(false);
    description = 'second';
    expect(await client.refresh()).toBe(true);
    expect(client.card.description).toBe('second');
    expect(requests).toEqual([undefined, '"first"', '"first"']);
    server.close();
  });

  it('sends the token to the origin of the card only, and never for the card', async () => {
    const seen: Record<string, string | undefined> = {};
    const other = await serve((request, response) => {
      seen['other'] = request.headers.authorization;
      response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { task: completed } }));
    });
    const own = await serve((request, response) => {
      seen[request.url ?? ''] = request.headers.authorization;
      const elsewhere = request.url === '/elsewhere.json';
      const json = request.url?.endsWith('.json')
        ? cardFor(elsewhere ? other.url : own.url)
        : { jsonrpc: '2.0', id: 1, result: { task: completed } };
      response.end(JSON.stringify(json));
    });
    await (await AgentClient.connect(own.url, { token: 'secret' })).send({ text: 'x' });
    await (await AgentClient.connect(`${own.url}/elsewhere.json`, { token: 'secret' })).send({ text: 'x' });
    expect(seen).toEqual({
      '/.well-known/agent-card.json': undefined,
      '/rpc': 'Bearer secret',
      '/elsewhere.json': undefined,
      other: undefined,
    });
    const trusting = { token: 'secret', tokenOrigins: [other.url] };
    await (await AgentClient.connect(`${own.url}/elsewhere.json`, trusting)).send({ text: 'x' });
    expect(seen['other']).toBe('Bearer secret');
    own.server.close();
    other.server.close();
  });

  it('refuses a redirected card, a card of 2 MiB, no card, and a card without a usable interface', async () => {
    const { server, url } = await serve((request, response) => {
      if (request.url === '/redirect.json') response.writeHead(302, { location: '/good.json' }).end();
      else if (request.url === '/huge.json') response.end(JSON.stringify({ pad: 'x'.repeat(2 * 1024 * 1024) }));
      else if (request.url === '/html.json') response.end('<html></html>');
      else
        response.end(
          JSON.stringify(
            cardFor(url, { supportedInterfaces: [{ url: 'h:1', protocolBinding: 'GRPC', protocolVersion: '1.0' }] }),
          ),
        );
    });
    await expect(AgentClient.connect(`${url}/redirect.json`)).rejects.toMatchObject({ code: 'PEER_FAILED' });
    await expect(AgentClient.connect(`${url}/huge.json`)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    await expect(AgentClient.connect(`${url}/html.json`)).rejects.toMatchObject({ code: 'PEER_FAILED' });
    await expect(AgentClient.connect(`${url}/grpc.json`)).rejects.toMatchObject({ code: 'VERSION_NOT_SUPPORTED' });
    server.close();
  });
});

/** An agent that breaks the connection a number of times before it answers. */
const failingAgent = async (capabilities: object, failures: number) => {
  const bodies: string[] = [];
  const headers: (string | undefined)[] = [];
  const { server, url } = await serve((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      bodies.push(body);
      headers.push(request.headersDistinct['a2a-extensions']?.[0]);
      if (bodies.length <= failures) response.destroy();
      else response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { task: completed, ...completed } }));
    });
  });
  const client = await AgentClient.connect(AgentCard.fromJSON(cardFor(url, { capabilities })));
  return { bodies, client, headers, server };
};

describe('AgentClient and repetition', () => {
  it('repeats the very same bytes where the card announces idempotent sends', async () => {
    const { bodies, client, headers, server } = await failingAgent(idempotent, 2);
    await client.send({ text: 'once', effectKey: 'e1' });
    expect(bodies).toHaveLength(3);
    expect(new Set(bodies).size).toBe(1);
    expect(headers[0]).toBe('urn:daca-mesh:ext:idempotency:v1');
    expect(JSON.parse(bodies[0] ?? '').params.message.metadata).toEqual({
      'urn:daca-mesh:ext:idempotency:v1': { effectKey: 'e1' },
    });
    server.close();
  });

  it('never repeats a message that may have arrived at any other agent', async () => {
    const { bodies, client, headers, server } = await failingAgent({}, 1);
    await expect(client.send({ text: 'once', effectKey: 'e1' })).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      retryable: true,
      details: { sent: true },
    });
    expect(bodies).toHaveLength(1);
    expect(headers).toEqual([undefined]);
    expect(JSON.parse(bodies[0] ?? '').params.message.metadata).toBeUndefined();
    server.close();
  });

  it('repeats reads', async () => {
    const { bodies, client, server } = await failingAgent({}, 2);
    expect((await client.get('t1')).id).toBe('t1');
    expect(bodies).toHaveLength(3);
    server.close();
  });

  it('knows that nothing was sent when nobody listens, and that something was when the answer does not come', async () => {
    const { server, url } = await serve(() => undefined);
    const client = await AgentClient.connect(AgentCard.fromJSON(cardFor(url)), { timeoutMs: 300 });
    await expect(client.send({ text: 'x' })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      details: { sent: true },
    });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await expect(client.send({ text: 'x' })).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      retryable: true,
      details: { sent: false },
    });
  });

  it('stops at the signal', async () => {
    const { server, url } = await serve(() => undefined);
    const client = await AgentClient.connect(AgentCard.fromJSON(cardFor(url)));
    const aborted = client.send({ text: 'x', signal: AbortSignal.timeout(50) });
    await expect(aborted).rejects.toMatchObject({ code: 'CANCELED' });
    await expect(client.send({ text: 'x', signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELED' });
    server.closeAllConnections();
    server.close();
  });

  it('reports a page of HTML as what it is', async () => {
    const { server, url } = await serve((_request, response) =>
      response.writeHead(502).end('<html>bad gateway</html>'),
    );
    const client = await AgentClient.connect(AgentCard.fromJSON(cardFor(url)), { retries: 0 });
    await expect(client.send({ text: 'x' })).rejects.toMatchObject({ code: 'UNAVAILABLE', details: { status: 502 } });
    server.close();
  });
});
