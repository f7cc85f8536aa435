import type { Artifact, Message, Part, Task, TaskState } from '@a2a-js/sdk';
import type { z } from 'zod';
import type { Answer, AnswerAction } from '../question.ts';
import type { Unit } from './database/unit.ts';

/** The zod schemas of a skill's input and output. Use strict objects, so that a bare data part can choose its skill. */
export interface SkillSchemas<I, O> {
  input: z.ZodType<I>;
  output: z.ZodType<O>;
}

/** A question of a skill to its caller; ids, hash and deadline are filled in. */
export interface AskQuestion {
  /** At most 63 characters; derived from the task by default. */
  id?: string;
  prompt: string;
  /** JSON Schema of the answer's `value`; absent where none is taken. */
  schema?: Record<string, unknown>;
  /** `['answer']` by default. */
  actions?: AnswerAction[];
  /** What is to be approved. */
  arguments?: unknown;
  assignee?: string;
  /** The agents the question came through, for an agent that passes on another's question. */
  path?: string[];
}

/** An artifact, or a chunk of one, that a skill emits. */
export interface ArtifactFields {
  name?: string;
  /** Random by default; give it to append to an earlier one. */
  artifactId?: string;
  parts: Part[];
  append?: boolean;
  lastChunk?: boolean;
}

/** A running task, as its skill sees it. Every method rejects once the turn is over. */
export interface TaskHandle {
  readonly id: string;
  readonly contextId: string;
  /** Aborts on cancel, deadline and shutdown. */
  readonly signal: AbortSignal;
  /** Names the caller's intention over all attempts: extension `idempotency` `{ effectKey }`, else derived from caller and messageId. */
  readonly effectKey: string;
  /** Stores and streams a WORKING status. */
  update(text: string, data?: unknown): Promise<void>;
  /** Stores and streams an artifact. Appended text may be coalesced for up to 50 ms. */
  artifact(fields: ArtifactFields): Promise<void>;
  /** Adds metadata, keyed by extension URI, to the artifact of the result; what is given later under one URI wins. */
  annotate(metadata: Record<string, unknown>): void;
  /** Ends the turn in INPUT_REQUIRED and stores `state`; the answer calls the skill again with `resumed`. Never resolves. */
  ask(question: AskQuestion, options?: { state?: unknown; timeoutMs?: number }): Promise<never>;
  /**
   * Runs an effect at most once per caller and effect key: the intent is stored, then the result, and whoever comes
   * again gets the stored result. An intent without a result (the process died in between) is repeated only when
   * `idempotent`, else the task fails with `OUTCOME_UNKNOWN`. An effect that throws says that it did not happen and may
   * be tried again; one that cannot tell throws `OUTCOME_UNKNOWN`.
   */
  once<T>(key: string, effect: () => Promise<T>, options?: { idempotent?: boolean }): Promise<T>;
  /** A key for the effect's receiver, the same over all attempts of the same call. */
  idempotencyKey(key: string): string;
}

/** What a skill is called with. */
export interface SkillContext<I> {
  input: I;
  task: TaskHandle;
  /** The message that started this turn. */
  message: Message;
  caller: string;
  /** Set when an answer to `task.ask` started this turn. */
  resumed?: { state: unknown; answer: Answer };
}

/** How a skill may be executed. */
export interface SkillOptions {
  /** Whether it runs again after the process died under it; true by default. */
  repeatable?: boolean;
  /** Executions of one turn before the task fails with `ATTEMPTS_EXHAUSTED`; 3 by default. An orderly shutdown does not count. */
  maxAttempts?: number;
  /** Time limit of one turn; none by default. */
  timeoutMs?: number;
}

/** A skill executed by the agent's own process. */
export interface ExecutedSkill {
  readonly kind: 'executed';
  readonly input: z.ZodType;
  readonly output: z.ZodType;
  readonly run: (context: SkillContext<unknown>) => Promise<unknown>;
  readonly repeatable: boolean;
  readonly maxAttempts: number;
  readonly timeoutMs: number | undefined;
}

/**
 * A skill whose tasks have no executor: an owner appends to them through the core. Its hooks run inside the commit that
 * stores what they were called for; throwing refuses it and stores nothing.
 */
export interface DetachedSkill {
  input: z.ZodType;
  onStart(start: { taskId: string; contextId: string; input: unknown; message: Message; caller: string }): Unit<void>;
  /** A message to a task that is not terminal. A hook that takes an answer appends the next status itself. */
  onMessage(message: { task: Task; message: Message; caller: string }): Unit<void>;
  /** May be called again while the cancel is under way; the owner appends CANCELED when it is done. */
  onCancel(cancel: { task: Task; caller: string }): Unit<void>;
}

/** A skill of an agent: made by {@link skill} or {@link detachedSkill}. */
export type Skill = ExecutedSkill | (DetachedSkill & { readonly kind: 'detached' });

/** A change of a task by its owner. A change of both makes two generations: the artifact, then the status. */
export interface TaskChange {
  status?: {
    state: TaskState;
    /** Become the status message. */
    parts?: Part[];
    /** Metadata of the status message, keyed by extension URI. */
    metadata?: Record<string, unknown>;
  };
  artifact?: { artifact: Artifact; append?: boolean; lastChunk?: boolean };
}

/**
 * Makes a skill of a function. What it returns is checked against the output schema and becomes one artifact named
 * after the skill: a data part, and a text part (`output.text`, else the JSON). A MeshError it throws fails the task
 * with its code, anything else with `INTERNAL`.
 */
export function skill<I, O>(
  schemas: SkillSchemas<I, O>,
  run: (context: SkillContext<I>) => Promise<O>,
  options: SkillOptions = {},
): Skill {
  return {
    kind: 'executed',
    input: schemas.input,
    output: schemas.output,
    // The core calls `run` only with what `input` returned.
    run: run as ExecutedSkill['run'],
    repeatable: options.repeatable ?? true,
    maxAttempts: options.maxAttempts ?? 3,
    timeoutMs: options.timeoutMs,
  };
}

/** Makes a skill whose tasks are owned by someone else than an executor, for example by a workflow. */
export const detachedSkill = (definition: DetachedSkill): Skill => ({
  kind: 'detached',
  input: definition.input,
  onStart: (start) => definition.onStart(start),
  onMessage: (message) => definition.onMessage(message),
  onCancel: (cancel) => definition.onCancel(cancel),
});

/** By how many milliseconds skills are slowed down, by skill id; `*` stands for every skill that is not named. */
export type SkillDelays = Readonly<Record<string, number>>;
