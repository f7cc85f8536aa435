import { type Answer, isMeshError } from '@daca-mesh/protocol';
import { pino } from 'pino';
import type { z } from 'zod';
import { eventNames, type Failure } from '../contract.ts';
import { type Duration, toMs } from '../duration.ts';
import { targetLabel } from '../target-label.ts';
import type { TypedWorkflow } from '../workflow.ts';
import { ReplayEngine } from './replay-engine.ts';
import type { AgentFor, ScriptedAgent } from './scripted-agent.ts';
import { TestActivities, type TestQuestion, type TestReminder } from './test-activities.ts';

/** What a workflow under test meets. Only `input` is needed. */
export interface TestWorkflowOptions<I, Name extends string> {
  input: I;
  /**
   * The agents, by the skill they have (or by their name): `{ write: (input) => ({ title, text, model }) }`. A call that
   * none of them takes fails with `PEER_NOT_FOUND`.
   */
  agents?: { [N in Name]: AgentFor<N> };
  /**
   * What people answer: one after the other, or by a function, where undefined leaves the question open. An answer that
   * its question does not allow is an error of the test.
   */
  answers?: readonly Answer[] | ((question: TestQuestion) => Answer | undefined);
  /** The coordinator's own activities, by name. */
  activities?: Readonly<Record<string, (input: never) => unknown>>;
  /** Events that come in before the workflow waits for them, by name. */
  events?: Readonly<Record<string, unknown>>;
  /** Who answers; default `tester`. */
  by?: string;
}

/**
 * A run of a workflow under test. It has gone as far as it can: to its end, or to where it waits for somebody. Each
 * method lets it go on, as far as it can again. Time is virtual: what the workflow sleeps takes none, and deadlines pass
 * only by `advance`.
 */
export interface TestRun<O> {
  readonly status: 'completed' | 'failed' | 'canceled' | 'waiting';
  /** What it returned; undefined unless it has completed. */
  readonly output: O | undefined;
  /** Why it failed; undefined unless it has. */
  readonly failure: Failure | undefined;
  /** What was undone, the newest first. */
  readonly undone: readonly string[];
  /** Every attempt of every call, in order. */
  readonly calls: readonly { to: string; input: unknown; attempt: number; path: string }[];
  /** Every question that was asked, and those that are open. */
  readonly questions: readonly TestQuestion[];
  readonly openQuestions: readonly TestQuestion[];
  /** Every reminder that was given. */
  readonly reminders: readonly TestReminder[];
  readonly progress: readonly string[];
  /** How much virtual time has passed since the start. */
  readonly elapsedMs: number;
  /** What each generation before the present one came to: see `Mesh.continueAsNew`. */
  readonly generations: readonly { events: number; inputBytes: number }[];
  /**
   * Answers the oldest open question, or that of `questionId`; as somebody else than `by` of the options, where given.
   * @throws MeshError `ALREADY_APPROVED`, `ANSWER_INVALID`, `QUESTION_NOT_FOUND`.
   */
  answer(answer: Answer, by?: string): Promise<void>;
  /** An event comes in. */
  raise(event: string, payload?: unknown): Promise<void>;
  /** Lets time pass: deadlines of questions, waits and silent agents. */
  advance(duration: Duration): Promise<void>;
  cancel(reason?: string): Promise<void>;
}

const runId = '0197a0c0-0000-7000-8000-000000000001';

/**
 * Runs a workflow with the real kit and the real SDK, replaying its whole history at every turn, as an engine does after
 * each crash; without an engine, a network, a clock, or any waiting. Resolves where the run can go no further.
 *
 * @throws Error where the workflow is not deterministic, and whatever it throws that is no MeshError.
 */
export async function testWorkflow<I extends z.ZodType, O extends z.ZodType, const Name extends string = never>(
  definition: TypedWorkflow<I, O>,
  options: TestWorkflowOptions<z.input<I>, Name>,
): Promise<TestRun<z.output<O>>> {
  const run = new RunUnderTest<z.output<O>>(definition, options);
  await run.goOn();
  return run;
}

type AnyOptions = TestWorkflowOptions<unknown, string>;

class RunUnderTest<O> implements TestRun<O> {
  readonly #engine: ReplayEngine;
  readonly #activities: TestActivities;
  readonly #options: Omit<AnyOptions, 'agents'>;
  readonly #errors: unknown[] = [];
  readonly #startedAt: number;
  #answers = 0;

  constructor(
    definition: TypedWorkflow<z.ZodType, z.ZodType>,
    { agents, ...options }: TestWorkflowOptions<unknown, never>,
  ) {
    this.#options = options;
    const world = {
      // Each agent is called with the input of its own skill.
      agents: (agents ?? {}) as Readonly<Record<string, ScriptedAgent<never, unknown>>>,
      activities: options.activities ?? {},
      setAlarm: (afterMs: number, ring: () => void) => this.#engine.setAlarm(afterMs, ring),
    };
    this.#activities = new TestActivities(world, (id, name, event) => this.#engine.raise(name, event, id));
    const { input } = options;
    this.#activities.input = input;
    const logger = collectErrors(this.#errors);
    this.#engine = new ReplayEngine({ definition, activities: this.#activities, instanceId: runId, logger });
    this.#startedAt = this.#engine.now;
    for (const [name, payload] of Object.entries(options.events ?? {})) this.#activities.happen(name, payload);
    const { token } = this.#activities;
    this.#engine.start({ $mesh: 1, runId, generation: 0, token, input, seen: { below: 1, above: [] } });
  }

  get status(): TestRun<O>['status'] {
    return this.#activities.end?.status ?? 'waiting';
  }

  get output(): O | undefined {
    const { end } = this.#activities;
    // The kit has checked it against the workflow's schema.
    return end?.status === 'completed' ? (end.output as O) : undefined;
  }

  get failure(): Failure | undefined {
    const { end } = this.#activities;
    return end?.status === 'failed' ? end.failure : undefined;
  }

  get undone(): readonly string[] {
    const { end } = this.#activities;
    return end && end.status !== 'completed' ? end.undone : [];
  }

  get calls(): TestRun<O>['calls'] {
    return this.#activities.sent.map((call) => ({
      to: targetLabel(call.target),
      input: call.input,
      attempt: call.attempt,
      path: call.path,
    }));
  }

  get questions(): readonly TestQuestion[] {
    return this.#activities.asked;
  }

  get openQuestions(): readonly TestQuestion[] {
    return this.#activities.open;
  }

  get reminders(): readonly TestReminder[] {
    return this.#activities.reminded;
  }

  get progress(): readonly string[] {
    return this.#activities.progressed.map(({ message }) => message);
  }

  get elapsedMs(): number {
    return this.#engine.now - this.#startedAt;
  }

  get generations(): TestRun<O>['generations'] {
    return this.#engine.generations;
  }

  async answer(answer: Answer, by = this.#options.by ?? 'tester'): Promise<void> {
    this.#activities.answer(answer, by);
    await this.goOn();
  }

  async raise(event: string, payload: unknown = null): Promise<void> {
    this.#activities.happen(event, payload);
    await this.goOn();
  }

  async advance(duration: Duration): Promise<void> {
    await this.#engine.advance(toMs(duration));
    await this.goOn();
  }

  async cancel(reason?: string): Promise<void> {
    this.#activities.raise(runId, eventNames.cancel, reason === undefined ? {} : { reason });
    await this.goOn();
  }

  /** Goes as far as it can, with the answers that were laid down. */
  async goOn(): Promise<void> {
    for (;;) {
      await this.#engine.settle();
      const answer = this.#nextAnswer();
      if (!answer) break;
      this.#activities.answer(answer, this.#options.by ?? 'tester');
    }
    if (this.#engine.status === 'stalled') throw new Error(this.#engine.failure?.message);
    const unexpected = this.#errors.find((error) => !isMeshError(error));
    if (unexpected) throw unexpected;
  }

  #nextAnswer(): Answer | undefined {
    const { answers } = this.#options;
    const [question] = this.#activities.open;
    if (!question || !answers) return undefined;
    if (typeof answers !== 'function') return answers[this.#answers++];
    for (const each of this.#activities.open) {
      const answer = answers(each);
      if (answer) return { questionId: each.id, ...answer };
    }
    return undefined;
  }
}

/** A logger that keeps the errors it is given: what a workflow threw unexpectedly is only logged. */
const collectErrors = (errors: unknown[]) =>
  pino({
    level: 'warn',
    hooks: {
      logMethod([fields]) {
        if (typeof fields === 'object' && fields !== null && 'err' in fields) errors.push(fields.err);
      },
    },
  });
