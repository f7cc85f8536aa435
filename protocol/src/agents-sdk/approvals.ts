import type { RunState, RunToolApprovalItem } from '@openai/agents';
import { z } from 'zod';
import { digest } from '../ids.ts';
import { MeshError } from '../mesh-error.ts';
import type { AskQuestion, SkillContext } from '../server/skill.ts';
import type { MeshAgent } from './agent-definition.ts';
import { Decisions } from './decisions.ts';
import { isEditable, type ToolScope } from './mesh-tool.ts';
import { parseJson } from './parse-json.ts';

/** A run that waits for people: what `task.ask` keeps between the question and its answer. */
const WaitingRun = z.strictObject({
  kind: z.literal('agents-sdk-approval'),
  /** The SDK's own serialization. */
  runState: z.string(),
  /** The call that is asked about. */
  callId: z.string(),
  decisions: Decisions,
  usage: z.strictObject({ requests: z.number(), inputTokens: z.number(), outputTokens: z.number() }),
});
export type WaitingRun = z.infer<typeof WaitingRun>;

/** A run's state, as the SDK keeps it. */
export type MeshRunState = RunState<ToolScope, MeshAgent>;

/** The run an answer belongs to, with its decision added; undefined where the answer is to another question. */
export function answeredRun(resumed: SkillContext<unknown>['resumed']): WaitingRun | undefined {
  const parsed = WaitingRun.safeParse(resumed?.state);
  if (!resumed || !parsed.success) return undefined;
  const { action, value, reason } = resumed.answer;
  const decision = {
    approved: action !== 'reject',
    ...(reason !== undefined && { reason }),
    ...(action === 'edit' && { arguments: value }),
  };
  const run = parsed.data;
  return { ...run, decisions: { ...run.decisions, [run.callId]: decision } };
}

/** What is kept of a run while `item` is asked about. */
export const toWaitingRun = (state: MeshRunState, item: RunToolApprovalItem, decisions: Decisions): WaitingRun => ({
  kind: 'agents-sdk-approval',
  runState: state.toString(),
  callId: callIdOf(item),
  decisions,
  usage: usageOf(state),
});

/** What a run has used so far. */
export function usageOf({ usage }: MeshRunState): WaitingRun['usage'] {
  const { requests, inputTokens, outputTokens } = usage;
  return { requests, inputTokens, outputTokens };
}

/** The first call nobody has decided about yet. */
export const undecided = (state: MeshRunState, decisions: Decisions): RunToolApprovalItem | undefined =>
  state.getInterruptions().find((item) => decisions[callIdOf(item)] === undefined);

/** Tells the SDK what people decided. */
export function applyDecisions(state: MeshRunState, decisions: Decisions): void {
  for (const item of state.getInterruptions()) {
    const decision = decisions[callIdOf(item)];
    if (!decision) continue;
    if (decision.approved) state.approve(item);
    else state.reject(item, { message: rejection(decision.reason) });
  }
}

const rejection = (reason: string | undefined): string =>
  JSON.stringify({ rejected: true, reason: reason ?? 'a person refused this call' });

/** The question about one call: may the tool run with these arguments? */
export function approvalQuestion(item: RunToolApprovalItem, taskId: string): AskQuestion {
  const tool = item.agent.tools.find((each) => each.type === 'function' && each.name === item.name);
  const parameters = tool?.type === 'function' && isEditable(tool) ? tool.parameters : undefined;
  const name = item.name ?? 'a tool';
  const given = parseJson(item.arguments ?? '{}');
  return {
    id: `${taskId}-q${digest([taskId, callIdOf(item)]).slice(0, 12)}`,
    // Whoever is asked by text only sees nothing but this.
    prompt:
      `May ${item.agent.name} use ${name} with ${inShort(given)}? ${tool?.type === 'function' ? tool.description : ''}`.trim(),
    actions: parameters ? ['approve', 'edit', 'reject'] : ['approve', 'reject'],
    arguments: { tool: name, arguments: given },
    // A JSON Schema is an object; the SDK's type of it is narrower.
    ...(parameters && { schema: { ...parameters } }),
  };
}

const maxShownChars = 1_000;

function inShort(given: unknown): string {
  const text = JSON.stringify(given);
  return text.length <= maxShownChars ? text : `${text.slice(0, maxShownChars)}… (more in the data)`;
}

function callIdOf({ rawItem }: RunToolApprovalItem): string {
  if ('callId' in rawItem && typeof rawItem.callId === 'string') return rawItem.callId;
  if (rawItem.id !== undefined) return rawItem.id;
  throw new MeshError('INVALID_OUTPUT', 'the model called a tool without an id', { retryable: true });
}
