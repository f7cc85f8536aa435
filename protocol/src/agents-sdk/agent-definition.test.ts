import { RunContext } from '@openai/agents';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { extensionUris } from '../extensions.ts';
import { MeshError } from '../mesh-error.ts';
import { type ModelEndpoint, startModelEndpoint } from '../testing/model-endpoint/model-endpoint.ts';
import type { ModelReply } from '../testing/model-endpoint/model-reply.ts';
import { type AgentDefinition, type AgentSkillRun, meshTool, modelFromEnvironment, runAgentSkill } from './index.ts';
import { recordingTask } from './testing/recording-task.ts';

const Output = z.strictObject({ text: z.string() });
const answer = JSON.stringify({ text: 'Done.' });

let endpoint: ModelEndpoint | undefined;
afterEach(async () => endpoint?.[Symbol.asyncDispose]());

async function run(
  agent: Partial<AgentDefinition>,
  script: [ModelReply, ...ModelReply[]] = [{ answer }],
  api: 'chat' | 'responses' = 'chat',
  resumed?: AgentSkillRun<unknown>['resumed'],
) {
  endpoint = await startModelEndpoint(...script);
  const environment = { OPENAI_BASE_URL: endpoint.baseUrl, MESH_MODEL: 'test-model', MESH_MODEL_API: api };
  const model = await modelFromEnvironment(environment);
  const recording = recordingTask();
  const definition = { name: 'clerk', instructions: 'Answer.', ...agent };
  const result = await runAgentSkill({
    agent: definition,
    model,
    input: 'my password is hunter2',
    task: recording.task,
    ...(resumed && { resumed }),
    outputSchema: Output,
  });
  return { ...recording, ...result };
}

const weigh = (execute: () => Promise<unknown>) =>
  meshTool({
    name: 'weigh',
    description: 'Weighs a parcel',
    parameters: z.strictObject({ parcel: z.string(), apiKey: z.string() }),
    readOnly: true,
    execute,
  });
const weighing: [ModelReply, ...ModelReply[]] = [
  { calls: [{ id: 'c1', name: 'weigh', arguments: { parcel: 'p1', apiKey: 'k-123' } }] },
  { answer },
];

describe('a guardrail', () => {
  const tripping = { name: 'no secrets', execute: async () => ({ tripwireTriggered: true, outputInfo: 'hunter2' }) };

  it.each(['inputGuardrails', 'outputGuardrails'])(
    'that trips ends the run with its name and nothing else: %s',
    async (kind) => {
      const error: unknown = await run({ [kind]: [tripping] }).catch((failure: unknown) => failure);
      expect(error).toMatchObject({
        code: 'GUARDRAIL_TRIPPED',
        retryable: false,
        message: 'no secrets stopped the run',
        details: { guardrail: 'no secrets' },
      });
    },
  );

  it('that fails is a mistake in the agent', async () => {
    const broken = { name: 'broken', execute: () => Promise.reject(new SyntaxError('oops')) };
    await expect(run({ inputGuardrails: [broken] })).rejects.toMatchObject({ code: 'INTERNAL', retryable: false });
  });
});

describe('a tool', () => {
  it.each(['chat', 'responses'] as const)(
    'is progress of the task, without secrets, and cut where it is long (%s)',
    async (api) => {
      const { updates, toolCalls } = await run(
        { tools: [weigh(async () => ({ grams: 5, note: 'x'.repeat(5_000) }))] },
        weighing,
        api,
      );
      expect(updates).toMatchObject([
        ['calls weigh', { tool: 'weigh', callId: 'c1', arguments: { parcel: 'p1', apiKey: '[hidden]' } }],
        ['weigh answered', { tool: 'weigh', callId: 'c1', result: expect.stringMatching(/^\{"grams":5,.{1,2000}…$/) }],
      ]);
      expect(toolCalls).toMatchObject([{ tool: 'weigh', result: { grams: 5 } }]);
    },
  );

  it('that fails by the rules tells the model, which may go on', async () => {
    const failure = new MeshError('NOT_FOUND', 'no such parcel', { details: { secret: 1 } });
    const { output, toolCalls } = await run({ tools: [weigh(() => Promise.reject(failure))] }, weighing);
    expect(output).toEqual({ text: 'Done.' });
    expect(toolCalls[0]?.result).toEqual({ error: { code: 'NOT_FOUND', message: 'no such parcel', retryable: false } });
  });

  it.each([
    [new MeshError('OUTCOME_UNKNOWN', 'who knows'), 'OUTCOME_UNKNOWN'],
    [new TypeError('undefined is not a function'), 'INTERNAL'],
  ])('that cannot say what happened, or is broken, ends the run: %s', async (failure, code) => {
    await expect(run({ tools: [weigh(() => Promise.reject(failure))] }, weighing)).rejects.toMatchObject({ code });
  });

  it('tells the model when its arguments do not fit', async () => {
    const calls = [{ name: 'weigh', arguments: { parcel: 7 } }];
    const { toolCalls } = await run({ tools: [weigh(async () => 1)] }, [{ calls }, { answer }]);
    expect(toolCalls[0]?.result).toMatchObject({ error: { code: 'INVALID_ARGUMENT' } });
  });

  it.each([{}, { c1: { approved: false } }, { c2: { approved: true } }])(
    'that needs approval does not run without it, whoever calls it: %j',
    async (decisions) => {
      let runs = 0;
      const parameters = z.strictObject({ why: z.string() });
      const execute = async (): Promise<number> => ++runs;
      const act = meshTool({ name: 'act', description: '', parameters, needsApproval: true, execute });
      const scope = { task: recordingTask().task, decisions, toJSON: () => ({}) };
      const toolCall = {
        type: 'function_call',
        callId: 'c1',
        name: 'act',
        arguments: '{}',
        status: 'completed',
      } as const;
      expect(await act.invoke(new RunContext(scope), '{"why":"-"}', { toolCall })).toContain('FORBIDDEN');
      expect(runs).toBe(0);
    },
  );
});

const waiting = (runState: string) => ({
  state: {
    kind: 'agents-sdk-approval',
    runState,
    callId: 'c1',
    decisions: {},
    usage: { requests: 1, inputTokens: 1, outputTokens: 1 },
  },
  answer: { action: 'approve' as const },
});

describe('a run that waited', () => {
  it.each(['{}', 'no JSON', '{"$schemaVersion":"99.0"}'])(
    'in a form nobody knows ends as a mistake of the agent: %s',
    async (runState) => {
      await expect(run({}, undefined, undefined, waiting(runState))).rejects.toMatchObject({
        code: 'INTERNAL',
        message: 'the run that waited does not fit this release of the agent',
      });
      expect(endpoint?.requests).toEqual([]);
    },
  );

  it('is not resumed by the answer to a question of the skill itself', async () => {
    const resumed = { state: { kept: 1 }, answer: { action: 'approve' as const } };
    expect((await run({}, undefined, undefined, resumed)).output).toEqual({ text: 'Done.' });
  });
});

describe('a hand-off', () => {
  it('is progress of the task, and whoever takes over answers in the same form', async () => {
    const handoffs = [{ name: 'Packer', instructions: 'Pack.', handoffDescription: 'Packs parcels' }];
    const { updates, output, metadata } = await run({ handoffs }, [
      { calls: [{ name: 'transfer_to_Packer', arguments: {} }] },
      { answer },
    ]);
    expect(updates).toEqual([['clerk hands over to Packer', { handoff: { from: 'clerk', to: 'Packer' } }]]);
    expect(output).toEqual({ text: 'Done.' });
    expect(JSON.stringify(endpoint?.requests[1])).toContain('Pack.');
    expect(metadata[extensionUris.usage]).toMatchObject({ requests: 2 });
  });
});
