import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentClient, taskError, taskResult } from '@daca-mesh/protocol/client';
import type { AgentServer } from '@daca-mesh/protocol/server';
import { collect, type ModelEndpoint, type ModelReply, startModelEndpoint } from '@daca-mesh/protocol/testing';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../config.ts';
import { createServer } from '../server.ts';

const input = { keywords: ['durable workflows', 'agents', 'kill -9'], topic: 'recovery', maxWords: 60 };
const draft = { title: 'Recovery', text: 'Agents restart.\n\nDurable workflows go on, even after kill -9.' };

let endpoint: ModelEndpoint | undefined;
let server: AgentServer | undefined;
let dataDir = '';

/** A writer whose model is a local endpoint with this script; offline without one. */
async function startWriter(script?: [ModelReply, ...ModelReply[]], env: Record<string, string> = {}) {
  dataDir = await mkdtemp(join(tmpdir(), 'writer-'));
  if (script) endpoint = await startModelEndpoint(...script);
  const model = endpoint ? { OPENAI_BASE_URL: endpoint.baseUrl, MESH_MODEL: 'test-model' } : {};
  server = await createServer(parseConfig({ MESH_DATA: dataDir, ...model, ...env }), pino({ level: 'silent' }));
  return AgentClient.connect(server.url);
}

afterEach(async () => {
  await server?.close();
  await endpoint?.[Symbol.asyncDispose]();
  endpoint = undefined;
  await rm(dataDir, { recursive: true, force: true });
});

describe('the writer with a model over HTTP', () => {
  it('returns what the model wrote, and its name', async () => {
    const client = await startWriter([{ answer: JSON.stringify(draft) }]);
    const task = await client.send({ skill: 'write', input, blocking: true });
    expect(taskResult(task)).toEqual({ ...draft, model: 'test-model' });
    const request = JSON.stringify(endpoint?.requests[0]);
    for (const fact of ['kill -9', 'recovery', 'maxWords']) expect(request).toContain(fact);
  });

  it.each([
    ['an empty title', { ...draft, title: ' ' }],
    ['an endless title', { ...draft, title: 'x'.repeat(501) }],
    ['no text', { ...draft, text: '\n' }],
    ['an endless text', { ...draft, text: 'x'.repeat(100_001) }],
  ])('takes no draft with %s: nobody could format it', async (_, wrong) => {
    const client = await startWriter([{ answer: JSON.stringify(wrong) }]);
    const failed = taskError(await client.send({ skill: 'write', input, blocking: true }));
    expect(failed).toMatchObject({ retryable: true, details: { code: 'INVALID_OUTPUT' } });
  });

  it('lets the text be watched while it is written', async () => {
    const client = await startWriter([{ answer: JSON.stringify(draft), pauseMs: 30 }]);
    const events = await collect(client.stream({ skill: 'write', input }));
    const chunks = events.flatMap(({ response: { payload } }) =>
      payload?.$case === 'artifactUpdate' && payload.value.artifact?.name === 'draft' ? [payload.value] : [],
    );
    expect(chunks.length).toBeGreaterThan(1);
    expect(
      chunks
        .flatMap(({ artifact }) => artifact?.parts ?? [])
        .map(({ content }) => content?.value)
        .join(''),
    ).toBe(draft.text);
  });
});

describe('the writer offline', () => {
  it('writes about every keyword, and the same each time', async () => {
    const client = await startWriter();
    const results = [1, 2].map(() => client.send({ skill: 'write', input, blocking: true }).then(taskResult));
    const [first, second] = await Promise.all(results);
    expect(first).toEqual(second);
    expect(first).toMatchObject({ model: 'offline', title: 'Recovery' });
    for (const keyword of input.keywords) expect(JSON.stringify(first).toLowerCase()).toContain(keyword);
  });
});
