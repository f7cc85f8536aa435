import { Agent, Runner, tool } from '@openai/agents';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { modelFromEnvironment } from '../../agents-sdk/index.ts';
import { type ModelEndpoint, startModelEndpoint } from './model-endpoint.ts';
import type { ModelReply } from './model-reply.ts';

let endpoint: ModelEndpoint | undefined;
afterEach(async () => endpoint?.[Symbol.asyncDispose]());

/** What the SDK's own client understands of an endpoint with this script. */
async function run(api: 'chat' | 'responses', isStreamed: boolean, ...script: [ModelReply, ...ModelReply[]]) {
  endpoint = await startModelEndpoint(...script);
  const environment = { OPENAI_BASE_URL: endpoint.baseUrl, MESH_MODEL: 'm', MESH_MODEL_API: api };
  const runner = new Runner({ model: (await modelFromEnvironment(environment)).model });
  const add = tool({
    name: 'add',
    description: '',
    parameters: z.object({ a: z.number(), b: z.number() }),
    execute: ({ a, b }) => String(a + b),
  });
  const agent = new Agent({ name: 'a', instructions: 'Add.', tools: [add] });
  if (!isStreamed) return runner.run(agent, 'go');
  const stream = await runner.run(agent, 'go', { stream: true });
  await stream.completed;
  return stream;
}

const kinds = (['chat', 'responses'] as const).flatMap((api) =>
  [true, false].map((isStreamed) => ({ api, isStreamed })),
);

describe.each(kinds)('an endpoint that speaks $api (streamed: $isStreamed)', ({ api, isStreamed }) => {
  it('answers, calls tools, and says what that took', async () => {
    const calls = [1, 2].map((b) => ({ name: 'add', arguments: { a: 1, b } }));
    const { finalOutput, newItems, state } = await run(api, isStreamed, { calls }, { answer: 'Two and three.' });
    expect(finalOutput).toBe('Two and three.');
    expect(newItems.flatMap((item) => (item.type === 'tool_call_output_item' ? [item.output] : []))).toEqual([
      '2',
      '3',
    ]);
    expect(state.usage).toMatchObject({ requests: 2, inputTokens: 22, outputTokens: 14 });
    expect(endpoint?.requests.map(({ stream }) => stream === true)).toEqual([isStreamed, isStreamed]);
  });

  it('declines', async () => {
    await expect(run(api, isStreamed, { refusal: 'No.' })).rejects.toThrow(/refus/i);
  });
});

it('knows no other path', async () => {
  endpoint = await startModelEndpoint({ answer: 'x' });
  expect((await fetch(`${endpoint.baseUrl}/models`, { method: 'POST', body: '{}' })).status).toBe(404);
});
