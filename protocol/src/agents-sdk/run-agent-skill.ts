import { RunContext, Runner, RunState, type StreamedRunResult, Usage } from '@openai/agents';
import type { z } from 'zod';
import { extensionUris } from '../extensions.ts';
import { MeshError } from '../mesh-error.ts';
import type { SkillContext, TaskHandle } from '../server/skill.ts';
import { type AgentDefinition, type MeshAgent, toAgent } from './agent-definition.ts';
import {
  answeredRun,
  applyDecisions,
  approvalQuestion,
  type MeshRunState,
  toWaitingRun,
  undecided,
  usageOf,
  type WaitingRun,
} from './approvals.ts';
import { boundedModel } from './bounded-model.ts';
import type { Decisions } from './decisions.ts';
import { createDraftStream } from './draft-stream.ts';
import { growingString } from './growing-string.ts';
import type { ToolScope } from './mesh-tool.ts';
import { toModelError } from './model-error.ts';
import type { ChosenModel } from './model-from-environment.ts';
import { type ToolUse, toolUses } from './tool-uses.ts';
import { showProgress } from './tool-progress.ts';

/** One run of an agent as a skill. */
export interface AgentSkillRun<O> {
  agent: AgentDefinition;
  model: ChosenModel;
  /** What the agent is asked; an object is sent as JSON. */
  input: unknown;
  task: TaskHandle;
  /** From the skill's context. The answer to a question about a tool resumes the run; any other is none of its business. */
  resumed?: SkillContext<unknown>['resumed'];
  /** What the model must answer: a strict object whose properties are all required. */
  outputSchema: z.ZodObject & z.ZodType<O>;
  /** The property of the output that is streamed while it is written. */
  draftOf?: keyof O & string;
  /** Time limit of one call of the model; 2 minutes by default. */
  timeoutMs?: number;
  /** Calls of the model in one run; 10 by default. */
  maxTurns?: number;
  /** Who is asked for approvals, and how long the question stays open; anybody, and for ever, by default. */
  approvals?: { assignee?: string; timeoutMs?: number };
}

/** What a run made, with which model, and what that took. */
export interface AgentSkillResult<O> {
  output: O;
  model: string;
  usage: { requests: number; inputTokens: number; outputTokens: number };
  /** Every call of a tool in the run, over all its turns, in order. */
  toolCalls: ToolUse[];
}

const defaultTimeoutMs = 120_000;

/**
 * Runs an agent of the OpenAI Agents SDK for a task. Its words are streamed as a draft artifact, its tool calls and
 * hand-offs are progress of the task, what it used becomes metadata of the result (extension `usage`), and the task's
 * signal ends it. Where a tool needs approval, the task asks, one question a call (`approve`, `reject` with a reason the
 * model is told, `edit` with other arguments), and this call never returns: the answer calls the skill again, which
 * calls this again with `resumed`, and the run goes on where it stood, in whatever process.
 *
 * Failures become typed errors that say whether another attempt may help. An answer of the model that is endless, or
 * calls dozens of tools at once, is `INVALID_OUTPUT` before any of it is done.
 * @throws MeshError `GUARDRAIL_TRIPPED`, `MODEL_REFUSED`, `UNAVAILABLE`, `RESOURCE_EXHAUSTED`, `DEADLINE_EXCEEDED`,
 * `INVALID_OUTPUT`, `CANCELED`, …
 */
export async function runAgentSkill<O>(run: AgentSkillRun<O>): Promise<AgentSkillResult<O>> {
  const { model, task, outputSchema } = run;
  try {
    const waiting = answeredRun(run.resumed);
    const decisions = waiting?.decisions ?? {};
    const stream = await runToItsEnd(run, waiting, decisions);
    const usage = usageOf(stream.state);
    task.annotate({ [extensionUris.usage]: { model: model.name, ...usage } });
    return {
      output: checked(outputSchema, stream.finalOutput),
      model: model.name,
      usage,
      toolCalls: toolUses(stream.history, decisions),
    };
  } catch (error) {
    throw toModelError(error, task.signal);
  }
}

/** Runs the agent until it has answered, or until people have to decide something, which ends the turn. */
async function runToItsEnd<O>(
  run: AgentSkillRun<O>,
  waiting: WaitingRun | undefined,
  decisions: Decisions,
): Promise<StreamedRunResult<ToolScope, MeshAgent>> {
  const { model, input, task } = run;
  // The SDK stores the context with the run, and the task belongs to this turn only.
  const context = new RunContext<ToolScope>({ task, decisions, toJSON: () => ({}) });
  const agent = toAgent(run.agent, run.outputSchema);
  const state = waiting && (await restore(waiting, agent, context));
  if (state) await askNext(run, state, decisions);
  const runner = new Runner({
    model: boundedModel(model.model),
    modelSettings: { timeoutMs: run.timeoutMs ?? defaultTimeoutMs },
    tracingDisabled: true,
  });
  const stream = await runner.run(agent, state ?? (typeof input === 'string' ? input : JSON.stringify(input)), {
    ...(state ? {} : { context }),
    stream: true,
    signal: task.signal,
    maxTurns: run.maxTurns ?? 10,
  });
  await follow(run, stream);
  await askNext(run, stream.state, decisions);
  return stream;
}

async function restore(waiting: WaitingRun, agent: MeshAgent, context: RunContext<ToolScope>): Promise<MeshRunState> {
  context.usage = new Usage(waiting.usage);
  try {
    const state = await RunState.fromStringWithContext<ToolScope, MeshAgent>(agent, waiting.runState, context);
    applyDecisions(state, waiting.decisions);
    return state;
  } catch (cause) {
    throw new MeshError('INTERNAL', 'the run that waited does not fit this release of the agent', { cause });
  }
}

/** Asks for the first call that nobody has decided about. Returns only where there is none. */
async function askNext<O>(run: AgentSkillRun<O>, state: MeshRunState, decisions: Decisions): Promise<void> {
  const item = undecided(state, decisions);
  if (!item) return;
  const { assignee, timeoutMs } = run.approvals ?? {};
  const question = approvalQuestion(item, run.task.id);
  await run.task.ask(
    { ...question, ...(assignee !== undefined && { assignee }) },
    {
      state: toWaitingRun(state, item, decisions),
      ...(timeoutMs !== undefined && { timeoutMs }),
    },
  );
}

async function follow<O>(run: AgentSkillRun<O>, stream: StreamedRunResult<ToolScope, MeshAgent>): Promise<void> {
  const { task, draftOf } = run;
  using draft = createDraftStream(task);
  let text = '';
  for await (const event of stream) {
    await showProgress(task, event);
    if (event.type !== 'raw_model_stream_event') continue;
    // Each turn of the model begins a new answer.
    if (event.data.type === 'response_started') text = '';
    if (event.data.type !== 'output_text_delta' || draftOf === undefined) continue;
    text += event.data.delta;
    draft.show(() => growingString(text, draftOf) ?? '');
  }
  await stream.completed;
  // The SDK ends an aborted stream without an error.
  task.signal.throwIfAborted();
  await draft.end();
}

function checked<O>(schema: z.ZodType<O>, output: unknown): O {
  const parsed = schema.safeParse(output);
  if (parsed.success) return parsed.data;
  throw new MeshError('INVALID_OUTPUT', 'the model did not answer in the required form', {
    retryable: true,
    cause: parsed.error,
  });
}
