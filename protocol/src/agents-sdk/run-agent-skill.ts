import { Agent, type AgentOptions, Runner } from '@openai/agents';
import type { z } from 'zod';
import type { TaskHandle } from '../server/skill.ts';
import { MeshError } from '../mesh-error.ts';
import { createDraftStream } from './draft-stream.ts';
import { growingString } from './growing-string.ts';
import { toModelError } from './model-error.ts';
import type { ChosenModel } from './model-from-environment.ts';

/** What makes an agent; its model and its output come with the run. */
export type AgentDefinition = Pick<AgentOptions, 'mcpServers' | 'modelSettings' | 'name' | 'tools'> & {
  instructions: string;
};

/** One run of an agent as a skill. */
export interface AgentSkillRun<O> {
  agent: AgentDefinition;
  model: ChosenModel;
  /** What the agent is asked; an object is sent as JSON. */
  input: unknown;
  task: Pick<TaskHandle, 'artifact' | 'id' | 'signal'>;
  /** What the model must answer: a strict object whose properties are all required. */
  outputSchema: z.ZodObject & z.ZodType<O>;
  /** The property of the output that is streamed while it is written. */
  draftOf?: keyof O & string;
  /** Time limit of one call of the model; 2 minutes by default. */
  timeoutMs?: number;
  /** Calls of the model in one run; 10 by default. */
  maxTurns?: number;
}

/** What a run made, with which model, and what that took. */
export interface AgentSkillResult<O> {
  output: O;
  model: string;
  usage: { requests: number; inputTokens: number; outputTokens: number };
}

const defaultTimeoutMs = 120_000;

/**
 * Runs an agent of the OpenAI Agents SDK for a task: its words are streamed as a draft artifact, the task's signal ends
 * it, and failures become typed errors that say whether another attempt may help.
 * @throws MeshError `UNAVAILABLE`, `RESOURCE_EXHAUSTED`, `DEADLINE_EXCEEDED`, `INVALID_OUTPUT`, `CANCELED`, …
 */
export async function runAgentSkill<O>(run: AgentSkillRun<O>): Promise<AgentSkillResult<O>> {
  const { agent, model, input, task, outputSchema, draftOf } = run;
  const runner = new Runner({
    model: model.model,
    modelSettings: { timeoutMs: run.timeoutMs ?? defaultTimeoutMs },
    tracingDisabled: true,
  });
  using draft = createDraftStream(task);
  try {
    const stream = await runner.run(
      new Agent({ ...agent, outputType: outputSchema }),
      typeof input === 'string' ? input : JSON.stringify(input),
      { stream: true, signal: task.signal, maxTurns: run.maxTurns ?? 10 },
    );
    let text = '';
    for await (const event of stream) {
      if (event.type !== 'raw_model_stream_event') continue;
      // Each turn of the model begins a new answer.
      if (event.data.type === 'response_started') text = '';
      if (event.data.type !== 'output_text_delta' || draftOf === undefined) continue;
      text += event.data.delta;
      draft.show(growingString(text, draftOf) ?? '');
    }
    await stream.completed;
    // The SDK ends an aborted stream without an error.
    task.signal.throwIfAborted();
    await draft.end();
    const { requests, inputTokens, outputTokens } = stream.state.usage;
    return {
      output: checked(outputSchema, stream.finalOutput),
      model: model.name,
      usage: { requests, inputTokens, outputTokens },
    };
  } catch (error) {
    throw toModelError(error, task.signal);
  }
}

function checked<O>(schema: z.ZodType<O>, output: unknown): O {
  const parsed = schema.safeParse(output);
  if (parsed.success) return parsed.data;
  throw new MeshError('INVALID_OUTPUT', 'the model did not answer in the required form', {
    retryable: true,
    cause: parsed.error,
  });
}
