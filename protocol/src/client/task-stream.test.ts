import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AgentCard } from '@a2a-js/sdk';
import { describe, expect, it } from 'vitest';
import { collect } from '../testing/collect.ts';
import { AgentClient, type AgentEvent } from './index.ts';

/** What the scripted agent is asked for. */
interface Call {
  method: string;
  lastEventId: string | undefined;
  messageId: string | undefined;
}

type Reply = (response: ServerResponse, call: Call) => void;

const mesh = [{ uri: 'urn:daca-mesh:ext:idempotency:v1' }, { uri: 'urn:daca-mesh:ext:generation:v1' }];

/** An agent whose replies are scripted one by one, so that a stream breaks exactly where a test wants it to. */
async function scriptedAgent(extensions: object[], replies: Reply[]) {
  const calls: Call[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { method, params } = JSON.parse(body);
    const lastEventId = request.headersDistinct['last-event-id']?.[0];
    const call = { method, lastEventId, messageId: params.message?.messageId };
    const reply = replies[calls.length];
    calls.push(call);
    reply?.(response, call);
  };
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A listening TCP server has an address object.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const card = AgentCard.fromJSON({
    name: 'scripted',
    supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: { streaming: true, extensions },
  });
  const client = await AgentClient.connect(card, { resumeForMs: 500 });
  return {
    calls,
    client,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const status = (state: string) => ({ statusUpdate: { taskId: 't1', contextId: 'c1', status: { state } } });
const task = (state: string) => ({ id: 't1', contextId: 'c1', status: { state } });
const rpc = (result: unknown) => JSON.stringify({ jsonrpc: '2.0', id: 1, result });

const events =
  (list: [id: number | undefined, result: unknown][], ending: 'close' | 'break'): Reply =>
  (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const text = list
      .map(([id, result]) => `${id === undefined ? '' : `id: ${id}\n`}data: ${rpc(result)}\n\n`)
      .join('');
    if (ending === 'close') response.end(text);
    else response.write(text, () => response.destroy());
  };
const json =
  (result: unknown): Reply =>
  (response) =>
    response.setHeader('content-type', 'application/json').end(rpc(result));
const refusal =
  (code: number, reason: string): Reply =>
  (response) =>
    response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code, message: reason, data: [{ reason }] } }));

const summary = (list: AgentEvent[]) =>
  list.map(({ generation, response: { payload } }) => [generation, payload?.$case]);

describe('a stream', () => {
  it('resumes after a drop exactly behind the last event, and drops what comes twice', async () => {
    using agent = await scriptedAgent(mesh, [
      events(
        [
          [1, { task: task('TASK_STATE_SUBMITTED') }],
          [2, status('TASK_STATE_WORKING')],
        ],
        'break',
      ),
      events(
        [
          [2, status('TASK_STATE_WORKING')],
          [3, status('TASK_STATE_WORKING')],
          [4, status('TASK_STATE_COMPLETED')],
        ],
        'close',
      ),
    ]);
    expect(summary(await collect(agent.client.stream({ text: 'x' })))).toEqual([
      [1, 'task'],
      [2, 'statusUpdate'],
      [3, 'statusUpdate'],
      [4, 'statusUpdate'],
    ]);
    expect(agent.calls.map(({ method, lastEventId }) => [method, lastEventId])).toEqual([
      ['SendStreamingMessage', undefined],
      ['SubscribeToTask', '2'],
    ]);
  });

  it('goes on behind the last event when a peer that counts closes it, and looks at the task only when refused', async () => {
    using agent = await scriptedAgent(mesh, [
      events([[1, { task: task('TASK_STATE_WORKING') }]], 'close'),
      events([[2, status('TASK_STATE_INPUT_REQUIRED')]], 'close'),
      refusal(-32004, 'UNSUPPORTED_OPERATION'),
      json({ ...task('TASK_STATE_COMPLETED'), metadata: { 'urn:daca-mesh:ext:generation:v1': { n: 5 } } }),
    ]);
    expect(summary(await collect(agent.client.stream({ text: 'x' })))).toEqual([
      [1, 'task'],
      [2, 'statusUpdate'],
      [5, 'task'],
    ]);
    expect(agent.calls.map(({ method, lastEventId }) => [method, lastEventId])).toEqual([
      ['SendStreamingMessage', undefined],
      ['SubscribeToTask', '1'],
      ['SubscribeToTask', '2'],
      ['GetTask', undefined],
    ]);
  });

  it('starts again with the same message when it breaks before the first event', async () => {
    using agent = await scriptedAgent(mesh, [
      events([], 'break'),
      events([[1, { task: task('TASK_STATE_COMPLETED') }]], 'close'),
    ]);
    expect(summary(await collect(agent.client.stream({ text: 'x' })))).toEqual([[1, 'task']]);
    expect(agent.calls[0]?.messageId).toBe(agent.calls[1]?.messageId);
  });

  it('does not start again at an agent that would do the work twice', async () => {
    using agent = await scriptedAgent([], [events([], 'break')]);
    await expect(collect(agent.client.stream({ text: 'x' }))).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      details: { sent: true },
    });
    expect(agent.calls).toHaveLength(1);
  });

  it('asks for the task when the stream closes before the end, then subscribes again', async () => {
    using agent = await scriptedAgent(
      [],
      [
        events([[undefined, { task: task('TASK_STATE_WORKING') }]], 'close'),
        json(task('TASK_STATE_WORKING')),
        events([[undefined, status('TASK_STATE_COMPLETED')]], 'close'),
      ],
    );
    await collect(agent.client.stream({ text: 'x' }));
    expect(agent.calls.map(({ method }) => method)).toEqual(['SendStreamingMessage', 'GetTask', 'SubscribeToTask']);
  });

  it('takes ids of foreign servers for no generations', async () => {
    using agent = await scriptedAgent(
      [],
      [
        events(
          [
            [7, { task: task('TASK_STATE_WORKING') }],
            [8, status('TASK_STATE_WORKING')],
          ],
          'break',
        ),
        events([[1, status('TASK_STATE_COMPLETED')]], 'close'),
      ],
    );
    const list = summary(await collect(agent.client.stream({ text: 'x' })));
    expect(list).toEqual([
      [undefined, 'task'],
      [undefined, 'statusUpdate'],
      [undefined, 'statusUpdate'],
    ]);
    expect(agent.calls[1]?.lastEventId).toBeUndefined();
  });

  it('polls at an agent that takes no subscription', async () => {
    using agent = await scriptedAgent(
      [],
      [refusal(-32004, 'UNSUPPORTED_OPERATION'), json(task('TASK_STATE_WORKING')), json(task('TASK_STATE_COMPLETED'))],
    );
    expect(summary(await collect(agent.client.subscribe('t1')))).toHaveLength(2);
    expect(agent.calls.map(({ method }) => method)).toEqual(['SubscribeToTask', 'GetTask', 'GetTask']);
  });

  it('gives up on a peer that stays away, with what was the matter', async () => {
    using agent = await scriptedAgent(mesh, [
      events([[1, { task: task('TASK_STATE_WORKING') }]], 'break'),
      ...Array.from({ length: 50 }, () => (response: ServerResponse) => void response.destroy()),
    ]);
    const seen: AgentEvent[] = [];
    const follow = async () => {
      for await (const event of agent.client.stream({ text: 'x' })) seen.push(event);
    };
    await expect(follow()).rejects.toMatchObject({ code: 'PEER_UNREACHABLE', retryable: true });
    expect(seen).toHaveLength(1);
  });

  it('fails at once where the task does not exist', async () => {
    using agent = await scriptedAgent(mesh, [refusal(-32001, 'TASK_NOT_FOUND')]);
    await expect(collect(agent.client.subscribe('t1'))).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
  });

  it('refuses an event of 5 MiB', async () => {
    const huge = { task: { ...task('TASK_STATE_WORKING'), metadata: { pad: 'x'.repeat(5 * 1024 * 1024) } } };
    using agent = await scriptedAgent(mesh, [events([[1, huge]], 'close')]);
    await expect(collect(agent.client.stream({ text: 'x' }))).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    });
  });
});
