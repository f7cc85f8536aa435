import type { SkillId, SkillMap } from '@daca-mesh/agent-cards';
import type { Answer } from '@daca-mesh/protocol';
import type { AskedQuestion } from './contract.ts';
import type { Duration } from './duration.ts';
import type { Step } from './orchestration.ts';

/**
 * Who is called: any agent with the skill, a named one, or one outside the mesh by the URL of its card or its origin,
 * where the operator allows it (`MESH_ALLOW_AGENTS`).
 */
export type CallTarget<S extends string = string> =
  | { skill: S }
  | { agent: string; skill?: S }
  | { url: string; skill?: S };

/** What a skill takes; `unknown` for one that agent-cards does not know. */
export type SkillInput<S extends string> = S extends SkillId ? SkillMap[S]['input'] : unknown;

/** What a skill gives; `unknown` for one that agent-cards does not know. */
export type SkillOutput<S extends string> = S extends SkillId ? SkillMap[S]['output'] : unknown;

/** What a call yields: nothing where a person may decide to skip it. */
export type CallResult<S extends string, O> = O extends { onExhausted: 'ask-human' }
  ? SkillOutput<S> | undefined
  : SkillOutput<S>;

/** The call that undoes a call. It must accept that there is nothing to undo. */
interface UndoCall<Output, S extends string> {
  target: CallTarget<S>;
  /**
   * Makes the input of the undoing call from the result of the call to be undone: undefined where that was not done, or
   * where it is unknown. Return undefined if nothing is to be undone then.
   */
  input(result: Output | undefined): SkillInput<S> | undefined;
}

/** A call that undoes something, as data. It must accept that there is nothing to undo. */
export type UndoingCall =
  | { [S in SkillId]: { target: CallTarget<S>; input: SkillInput<S> } }[SkillId]
  | { target: { agent: string } | { url: string }; input: unknown };

/** One undoing call per known skill, so that input and target fit each other. */
type AnyUndoCall<Output> =
  | { [S in SkillId]: UndoCall<Output, S> }[SkillId]
  | { target: { agent: string } | { url: string }; input(result: Output | undefined): unknown };

/** How a call is made. Every option has a default. */
export interface CallOptions<Output> {
  /**
   * How many attempts are made, 1 s doubling to 30 s (±20 %) apart; default 5. Only a failure that is marked as
   * retryable leads to another one, and only where the attempt before is known to be over. The time a peer cannot be
   * reached at all counts against the time limit, not against the attempts.
   */
  retry?: { attempts: number };
  /** Time limit of one attempt; default 10 min. */
  timeout?: Duration;
  /** Longest silence of the agent; default 5 min. */
  noProgress?: Duration;
  /**
   * Answers what the agent asks on the way. Without it, a person is asked. Returning undefined hands that question to a
   * person.
   */
  onQuestion?: (question: AskedQuestion) => Answer | undefined | Step<Answer | undefined>;
  /** The skill may run twice without harm: an attempt that timed out is made again. Default false. */
  repeatable?: boolean;
  /** What to do when nobody can tell whether the agent did it; default `ask-human`, `resend` for a repeatable skill. */
  onUnknown?: 'ask-human' | 'resend' | 'fail';
  /** What to do when the call failed for good: throw (default), or let a person choose to retry, give a value, skip or abort. */
  onExhausted?: 'fail' | 'ask-human';
  /** Registered before the request is sent; made if the run does not complete. */
  undo?: AnyUndoCall<Output>;
}
