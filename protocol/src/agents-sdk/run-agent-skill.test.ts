import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { tool } from '@openai/agents';
import type { Part } from '@a2a-js/sdk';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { textOf } from '../parts.ts';
import { type ModelEndpoint, startModelEndpoint } from '../testing/model-endpoint/model-endpoint.ts';
import type { ModelReply } from '../testing/model-endpoint/model-reply.ts';
import { type AgentSkillRun, meshTool, modelFromEnvironment, runAgentSkill } from './index.ts';
import { recordingTask } from './testing/recording-task.ts';

const Summary = z.strictObject({ title: z.string(), body: z.string() });
const answer = JSON.stringify({ title: 'Tea', body: 'Water it “twice” a day.\nThen drink.' });

let endpoint: ModelEndpoint | undefined;
afterEach(async () => endpoint?.[Symbol.asyncDispose]());

async function run(
  replies: [ModelReply, ...ModelReply[]],
  fields: Partial<AgentSkillRun<z.infer<typeof Summary>>> = {},
) {
  endpoint = await startModelEndpoint(...replies);
  const model = await modelFromEnvironment({ OPENAI_BASE_URL: endpoint.baseUrl, MESH_MODEL: 'test-model' });
  return runAgentSkill({
    agent: { name: 'summarizer', instructions: 'Summarize.' },
    model,
    input: { topic: 'tea' },
    task: recordingTask().task,
    outputSchema: Summary,
    ...fields,
  });
}

describe('runAgentSkill with an endpoint over HTTP', () => {
  it('returns the checked output, the model and the usage', async () => {
    expect(await run([{ answer }])).toEqual({
      output: JSON.parse(answer),
      model: 'test-model',
      usage: { requests: 1, inputTokens: 11, outputTokens: 7 },
      toolCalls: [],
    });
    const [request] = endpoint?.requests ?? [];
    expect(request).toMatchObject({ model: 'test-model', stream: true });
    expect(JSON.stringify(request)).toContain('topic');
    expect(JSON.stringify(request?.['response_format'])).toContain('"title"');
  });

  it('streams the draft in growing chunks that make up the text', async () => {
    const { chunks, task } = recordingTask();
    const { output } = await run([{ answer, pauseMs: 30 }], { task, draftOf: 'body' });
    expect(chunks.length).toBeGreaterThan(1);
    const streamed: Part[] = chunks.flatMap(({ parts }) => parts);
    expect(streamed.map((part) => textOf([part])).join('')).toBe(output.body);
    expect(chunks.map(({ append }) => append)).toEqual([false, ...chunks.slice(1).map(() => true)]);
    expect(new Set(chunks.map(({ artifactId }) => artifactId))).toEqual(new Set(['draft-t1']));
  });

  it('does not stream what is there at once', async () => {
    const { chunks, task } = recordingTask();
    await run([{ answer }], { task, draftOf: 'body' });
    expect(chunks).toEqual([]);
  });

  it('survives one failure of the endpoint', async () => {
    expect((await run([{ status: 500 }, { answer }])).output.title).toBe('Tea');
    expect(endpoint?.requests).toHaveLength(2);
  });

  it('waits as long as the endpoint asks for, within the time limit', async () => {
    await run([{ status: 429, retryAfter: '1' }, { answer }]);
    const [first, second] = endpoint?.seen ?? [];
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(990);
    const impatient = run([{ status: 429, retryAfter: '30' }, { answer }], { timeoutMs: 300 });
    await expect(impatient).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true });
  });

  it('does not believe an endpoint that asks for hours', async () => {
    expect((await run([{ status: 503, retryAfter: '86400' }, { answer }])).output.title).toBe('Tea');
  });

  it('ends a model that goes on calling tools', async () => {
    const noop = meshTool({
      name: 'noop',
      description: '',
      parameters: z.strictObject({}),
      readOnly: true,
      execute: async () => null,
    });
    const agent = { name: 'restless', instructions: 'Go on.', tools: [noop] };
    const endless = run([{ calls: [{ name: 'noop', arguments: {} }] }], { agent, maxTurns: 3 });
    await expect(endless).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryable: false });
    expect(endpoint?.requests).toHaveLength(3);
  });

  it.each<[string, ModelReply]>([
    ['a thousand calls at once', { calls: Array.from({ length: 1_000 }, () => ({ name: 'act', arguments: {} })) }],
    ['a call with endless arguments', { calls: [{ name: 'act', arguments: { why: 'x'.repeat(1_000_000) } }] }],
    ['an endless answer', { answer: JSON.stringify({ title: 'Tea', body: 'x'.repeat(600_000) }) }],
  ])('refuses %s, and none of it is done', async (_, reply) => {
    let acts = 0;
    const act = meshTool({
      name: 'act',
      description: '',
      parameters: z.strictObject({ why: z.string().optional() }),
      execute: async () => ++acts,
    });
    const refused = run([reply, { answer }], { agent: { name: 'busy', instructions: 'Act.', tools: [act] } });
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_OUTPUT', retryable: true });
    expect(acts).toBe(0);
  });

  it('ends with the task', async () => {
    const controller = new AbortController();
    const running = run([{ silent: true }], { task: recordingTask(controller.signal).task });
    await vi.waitFor(() => expect(endpoint?.requests).toHaveLength(1));
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'CANCELED' });
  });

  it('says so when nobody listens', async () => {
    const model = await modelFromEnvironment({ OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' });
    await expect(run([{ answer }], { model })).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });
});

/** The ports this process connects to while `work` runs. */
async function portsDuring(work: () => Promise<unknown>): Promise<(string | undefined)[]> {
  const sockets: Socket[] = [];
  // The channel publishes the socket of every outgoing connection.
  const onSocket = (message: unknown): number => sockets.push((message as { socket: Socket }).socket);
  subscribe('net.client.socket', onSocket);
  await work().finally(() => unsubscribe('net.client.socket', onSocket));
  return sockets.map((socket) => `${socket.remoteAddress}:${socket.remotePort}`);
}

it('connects to the endpoint and to nothing else', async () => {
  const ports = await portsDuring(() => run([{ answer }]));
  expect(ports.length).toBeGreaterThan(0);
  expect(new Set(ports)).toEqual(new Set([new URL(endpoint?.baseUrl ?? '').host]));
});

describe('runAgentSkill offline', () => {
  it('connects to nothing at all', async () => {
    const { task } = recordingTask();
    const model = await modelFromEnvironment({ OPENAI_API_KEY: 'a-key', MESH_MODEL: 'offline' });
    const agent = { name: 'any', instructions: 'Summarize.' };
    const ports = await portsDuring(() => runAgentSkill({ agent, model, input: 'tea', task, outputSchema: Summary }));
    expect(ports).toEqual([]);
  });

  it('calls a tool the instructions name, and uses what it returned', async () => {
    const asked: unknown[] = [];
    const lookUp = tool({
      name: 'look_up_city',
      description: 'Finds the city of a postcode',
      parameters: z.object({ postcode: z.string() }),
      execute: async (input) => {
        asked.push(input);
        return { city: 'Aachen', population: 262_000 };
      },
    });
    const City = z.strictObject({ city: z.string(), population: z.int(), size: z.enum(['small', 'large']) });
    const { output, model } = await runAgentSkill({
      agent: { name: 'any', instructions: 'Use look_up_city to find the city.', tools: [lookUp] },
      model: await modelFromEnvironment({}),
      input: { postcode: '52062', size: 'large' },
      task: recordingTask().task,
      outputSchema: City,
    });
    expect(asked).toEqual([{ postcode: '52062' }]);
    expect(output).toEqual({ city: 'Aachen', population: 262_000, size: 'large' });
    expect(model).toBe('offline');
  });
});
