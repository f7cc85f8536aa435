import { join } from 'node:path';
import { Router } from 'express';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { newId } from '../../ids.ts';
import { tokenDigest } from '../../principal.ts';
import { type AgentServerOptions, createAgentServer } from '../agent-server.ts';
import { skill } from '../skill.ts';
import { testCard, testFolder, text } from '../testing/test-agent.ts';

const principals = ['ann', 'bob'].map((name) => ({ name, tokenSha256: tokenDigest(`${name}'s`), roles: [] }));
const tokens = { mesh: 'secret', ann: "ann's", bob: "bob's" };
const Reply = z.object({ result: z.unknown().optional(), error: z.looseObject({ code: z.number() }).optional() });
const Sent = z.object({ task: z.object({ id: z.string(), artifacts: z.array(z.unknown()) }) });

async function serve(options: Partial<AgentServerOptions> = {}) {
  const whoami = skill(text, async ({ caller }) => ({ text: caller }));
  const server = await createAgentServer({
    card: testCard(['whoami']),
    skills: { whoami },
    logger: pino({ level: 'silent' }),
    database: { path: join(await testFolder(), 'store.db'), durability: 'normal' },
    token: 'secret',
    principals,
    ...options,
  });
  onTestFinished(() => server.close());
  const rpc = async (who: keyof typeof tokens, method: string, params: unknown) => {
    const response = await fetch(`${server.url}/a2a/jsonrpc`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens[who]}` },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    return Reply.parse(await response.json());
  };
  const send = async (who: keyof typeof tokens, messageId: string = newId()) => {
    const message = { messageId, role: 'ROLE_USER', parts: [{ data: { text: 'hello' } }] };
    return Sent.parse((await rpc(who, 'SendMessage', { message })).result).task;
  };
  return { server, rpc, send };
}

it('knows callers by their tokens, and shows a task to its own only', async () => {
  const { server, rpc, send } = await serve();
  for (const authorization of ['', "Bearer eve's", `Bearer ${principals[0]?.tokenSha256}`]) {
    expect((await fetch(`${server.url}/a2a/rest/tasks`, { headers: { authorization } })).status).toBe(401);
  }
  for (const who of ['mesh', 'ann', 'bob'] as const) {
    const task = await send(who);
    expect(JSON.stringify(task.artifacts)).toContain(`"text":"${who}"`);
    const seenBy = await Promise.all(
      (['mesh', 'ann', 'bob'] as const).map(async (other) => {
        const { result } = await rpc(other, 'GetTask', { id: task.id });
        return result === undefined ? [] : [other];
      }),
    );
    expect(seenBy.flat()).toEqual([who]);
  }
});

it('takes events from a Dapr sidecar that shows the token, and believes it nothing else', async () => {
  const { server } = await serve({
    routes: ({ callerOf }) => Router().all('/events', (request, response) => void response.json(callerOf(request))),
  });
  const call = (method: string, path: string, headers: Record<string, string>) =>
    fetch(`${server.url}${path}`, { method, headers });
  const shown = { 'dapr-api-token': 'secret' };
  expect(await (await call('POST', '/events', shown)).json()).toBe('dapr');
  expect(await (await call('POST', '/events', { ...shown, authorization: "Bearer ann's" })).json()).toBe('ann');
  for (const [method, path, headers] of [
    ['POST', '/events', { 'dapr-api-token': 'wrong' }],
    ['POST', '/events', { ...shown, authorization: 'Bearer wrong' }],
    ['GET', '/events', shown],
    ['GET', '/a2a/rest/tasks', shown],
    ['POST', '/a2a/jsonrpc', shown],
  ] as const) {
    expect((await call(method, path, headers)).status).toBe(401);
  }
});

it('shows every task to every caller where all belong to one owner, and keeps their messages apart', async () => {
  const { rpc, send } = await serve({ taskOwner: 'mesh' });
  const messageId = newId();
  const [first, again, other] = [
    await send('ann', messageId),
    await send('ann', messageId),
    await send('bob', messageId),
  ];
  expect(again.id).toBe(first.id);
  expect(other.id).not.toBe(first.id);
  expect((await rpc('bob', 'GetTask', { id: first.id })).result).toMatchObject({ id: first.id });
  expect((await rpc('bob', 'ListTasks', {})).result).toMatchObject({ totalSize: 2 });
});
