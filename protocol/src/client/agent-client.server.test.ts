import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentCard, TaskState } from '@a2a-js/sdk';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { extensionUris } from '../extensions.ts';
import { type AgentServer, createAgentServer, skill } from '../server/index.ts';
import { collect } from '../testing/collect.ts';
import { AgentClient, nodeHttpClient, taskError, taskQuestion, taskResult } from './index.ts';

const Text = z.strictObject({ text: z.string() });

const card = AgentCard.fromJSON({
  name: 'sample',
  version: '1.0.0',
  supportedInterfaces: [{ url: 'http://127.0.0.1', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: {
    streaming: true,
    extensions: Object.values(extensionUris).map((uri) => ({ uri })),
  },
  defaultInputModes: ['application/json'],
  skills: ['echo', 'ask', 'steps', 'wait'].map((id) => ({ id, name: id, description: id, tags: [id] })),
});

/** Lets `wait` go on. */
const idle = (): void => undefined;
let release = idle;
let calls = 0;

const start = (path: string, port = 0): Promise<AgentServer> =>
  createAgentServer({
    card,
    port,
    logger: pino({ level: 'silent' }),
    database: { path: join(path, 'store.db') },
    skills: {
      echo: skill({ input: Text, output: Text }, async ({ input }) => {
        calls++;
        return input;
      }),
      ask: skill({ input: Text, output: Text }, async ({ task, resumed }) => {
        if (!resumed)
          await task.ask({ prompt: 'Really?', actions: ['approve', 'reject'] }, { state: { kept: 'state' } });
        return { text: JSON.stringify([resumed?.answer.action, resumed?.answer.reason, resumed?.state]) };
      }),
      steps: skill({ input: Text, output: Text }, async ({ input, task }) => {
        for (let step = 1; step <= 5; step++) await task.update(`step ${step}`);
        return input;
      }),
      wait: skill({ input: Text, output: Text }, async ({ input, task }) => {
        await new Promise<void>((resolve) => {
          release = resolve;
          task.signal.addEventListener('abort', () => resolve());
        });
        task.signal.throwIfAborted();
        return input;
      }),
    },
  });

let folder: string;
let server: AgentServer;
let client: AgentClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-client-'));
  server = await start(folder);
  client = await AgentClient.connect(server.url);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

it('gets a fast result with the reply by lingering', async () => {
  const task = await client.send({ skill: 'echo', input: { text: 'a' }, lingerMs: 1_000 });
  expect(taskResult(task)).toEqual({ text: 'a' });
});

it('makes one task of a message whose reply was lost', async () => {
  const before = calls;
  let lost = 0;
  const http = {
    ...nodeHttpClient,
    fetch: async (request: Parameters<typeof nodeHttpClient.fetch>[0]) => {
      const response = await nodeHttpClient.fetch(request);
      if (request.method === 'GET' || lost++ > 0) return response;
      // The peer has answered; the answer never arrives.
      return nodeHttpClient.fetch({ ...request, url: 'http://127.0.0.1:1/' });
    },
  };
  const unlucky = await AgentClient.connect(server.url, { http });
  const task = await unlucky.send({ skill: 'echo', input: { text: 'once' }, lingerMs: 1_000 });
  expect(taskResult(task)).toEqual({ text: 'once' });
  expect([lost, calls - before]).toEqual([2, 1]);
});

it('answers a question, and learns that it was too late', async () => {
  const { id } = await client.send({ skill: 'ask', input: { text: 'x' } });
  await vi.waitFor(async () => {
    expect((await client.get(id)).status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
  });
  const question = taskQuestion(await client.get(id));
  expect(question).toMatchObject({ prompt: 'Really?', actions: ['approve', 'reject'] });
  const answer = { questionId: question?.id, action: 'approve' as const, reason: 'why not' };
  const { questionId = '', ...rest } = answer;
  await client.answer(id, { ...rest, questionId }, { blocking: true });
  await collect(client.subscribe(id));
  expect(taskResult(await client.get(id))).toEqual({ text: '["approve","why not",{"kept":"state"}]' });
  await expect(client.answer(id, { action: 'reject' })).rejects.toMatchObject({
    code: expect.stringMatching(/^(QUESTION_CLOSED|TASK_TERMINAL)$/),
  });
});

it('follows a task through a restart of its agent, without gap or repetition', async () => {
  const generations: (number | undefined)[] = [];
  let restarted: Promise<void> | undefined;
  const { port } = new URL(server.url);
  for await (const event of client.stream({ skill: 'wait', input: { text: 'through' } })) {
    generations.push(event.generation);
    restarted ??= server.close().then(async () => {
      release = idle;
      server = await start(folder, Number(port));
      await vi.waitFor(() => expect(release).not.toBe(idle));
      release();
    });
  }
  await restarted;
  expect(generations.length).toBeGreaterThan(2);
  expect(generations).toEqual(generations.map((_, index) => (generations[0] ?? 0) + index));
});

it('sees every step of a task once', async () => {
  const events = await collect(client.stream({ skill: 'steps', input: { text: 'x' } }));
  const texts = events.flatMap(({ response: { payload } }) =>
    payload?.$case === 'statusUpdate' ? (payload.value.status?.message?.parts ?? []) : [],
  );
  expect(texts.map(({ content }) => content?.value)).toEqual([1, 2, 3, 4, 5].map((step) => `step ${step}`));
});

it('cancels', async () => {
  const { id } = await client.send({ skill: 'wait', input: { text: 'x' } });
  await client.cancel(id);
  await collect(client.subscribe(id));
  expect(taskError(await client.get(id))?.code).toBe('CANCELED');
});

it('keeps the code of a refusal', async () => {
  await expect(client.send({ skill: 'nothing', input: {} })).rejects.toMatchObject({ code: 'SKILL_NOT_FOUND' });
  await expect(client.send({ input: { text: 'x' } })).rejects.toMatchObject({ code: 'SKILL_REQUIRED' });
  await expect(client.send({ skill: 'echo', input: {} })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    details: { metadata: { path: 'text' } },
  });
  const messageId = crypto.randomUUID();
  await client.send({ skill: 'echo', input: { text: 'a' }, messageId });
  await expect(client.send({ skill: 'echo', input: { text: 'b' }, messageId })).rejects.toMatchObject({
    code: 'MESSAGE_ID_REUSED',
    retryable: false,
  });
});
