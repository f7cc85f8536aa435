import { type Answer, type AnswerAction, isMeshError } from '@daca-mesh/protocol';
import type { SkillInput, SkillOutput } from '../call-options.ts';
import type { CallOutcome } from '../contract.ts';
import { toFailure } from '../failure.ts';

/** What an agent of a test returns when it shall never answer: the call's time limit ends it. */
export const silence = Symbol('silence');

/** What an agent of a test asks on the way. */
export interface AgentQuestion {
  prompt: string;
  /** Default `answer`. */
  actions?: AnswerAction[];
  /** JSON Schema of the value. */
  schema?: Record<string, unknown>;
  arguments?: unknown;
}

/** Which attempt it is, from 1, and where the call stands in the workflow. */
export interface AgentCall {
  attempt: number;
  path: string;
}

/**
 * An agent of a test: gives the result of a call, or throws. A MeshError that is retryable is a failure that passes, one
 * with the code `PEER_REJECTED` a refusal. A generator function can ask on the way: `const answer = yield { prompt }`.
 */
export type ScriptedAgent<Input, Output> = (
  input: Input,
  call: AgentCall,
) => Output | typeof silence | Generator<AgentQuestion, Output, Answer>;

/** The agent for a skill, or for an agent's name. */
export type AgentFor<S extends string> = ScriptedAgent<SkillInput<S>, SkillOutput<S>>;

/** A call as an agent works on it: where it stands, and how it goes on after an answer. */
export type AgentStep =
  | { status: 'settled'; outcome: CallOutcome }
  | { status: 'asks'; question: AgentQuestion; next: (answer: Answer) => AgentStep }
  | { status: 'silent' };

/** Has an agent begin to work. */
export function beginWork(agent: ScriptedAgent<unknown, unknown>, input: unknown, call: AgentCall): AgentStep {
  return attempt(() => {
    const result = agent(input, call);
    if (result === silence) return { status: 'silent' };
    if (!isGenerator(result)) return completed(result);
    return takeStep(result, result.next());
  });
}

function takeStep(
  work: Generator<AgentQuestion, unknown, Answer>,
  { done, value }: IteratorResult<AgentQuestion, unknown>,
): AgentStep {
  if (done) return completed(value);
  return { status: 'asks', question: value, next: (answer) => attempt(() => takeStep(work, work.next(answer))) };
}

function attempt(work: () => AgentStep): AgentStep {
  try {
    return work();
  } catch (error) {
    const isRefusal = isMeshError(error) && error.code === 'PEER_REJECTED';
    // An agent tells what its own code throws.
    const failure = isMeshError(error)
      ? toFailure(error)
      : { code: 'INTERNAL', message: String(error), retryable: false };
    return { status: 'settled', outcome: { status: isRefusal ? 'rejected' : 'failed', failure, agent: 'agent' } };
  }
}

const completed = (output: unknown): AgentStep => ({
  status: 'settled',
  outcome: { status: 'completed', output, agent: 'agent', taskId: 'task' },
});

const isGenerator = (value: unknown): value is Generator<AgentQuestion, unknown, Answer> =>
  typeof value === 'object' && value !== null && Symbol.iterator in value && 'next' in value;
