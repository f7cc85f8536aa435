import { all, type AllOptions, type BranchResult } from './all.ts';
import { ask, type Ask, type AskOutcome } from './ask.ts';
import { call } from './call.ts';
import type { CallOptions, CallResult, CallTarget, SkillInput, SkillOutput } from './call-options.ts';
import type { WaitOutcome } from './contract.ts';
import { type Duration, toMs } from './duration.ts';
import { uuidOf } from './identity.ts';
import { invoke, pause } from './invoke.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';
import { waitFor } from './wait-for.ts';

/**
 * What workflow code may use, and all it may use: no clock, randomness, environment, I/O or logger of its own. Everything
 * that returns a `Step` is used with `yield*`. When the run is canceled, the step that waits throws `CANCELED`, and so
 * does every step after it.
 */
export interface Mesh {
  readonly runId: string;
  /** 0 at first, +1 with each `continueAsNew`. */
  readonly generation: number;

  /**
   * Calls an agent and gives its result, checked against the skill's schema. Throws a MeshError that says how it failed:
   * `PEER_FAILED`, `PEER_REJECTED`, `DEADLINE_EXCEEDED`, `PEER_UNREACHABLE`, `PEER_NOT_FOUND`, `INVALID_OUTPUT` or
   * `OUTCOME_UNKNOWN`, with what the agent said in `details.failure`.
   */
  call<const S extends string, const O extends CallOptions<SkillOutput<S>> = CallOptions<SkillOutput<S>>>(
    target: CallTarget<S>,
    input: SkillInput<S>,
    options?: O,
  ): Step<CallResult<S, O>>;

  /** Runs branches concurrently and gives how each of them ended, in their order. */
  all<const T extends readonly Step<unknown>[]>(
    branches: T,
    options: AllOptions & { onFailure: 'collect' },
  ): Step<{ -readonly [K in keyof T]: BranchResult<StepResult<T[K]>> }>;
  /** Runs branches concurrently and gives their results, in their order. The first failure is thrown. */
  all<const T extends readonly Step<unknown>[]>(
    branches: T,
    options?: AllOptions & { onFailure?: 'fail-fast' },
  ): Step<{ -readonly [K in keyof T]: StepResult<T[K]> }>;

  /** Asks a person or system to decide. */
  ask<V = unknown>(question: Ask<V>): Step<AskOutcome<V>>;

  /** Waits for an event named by the workflow; names are compared in lower case. */
  waitFor(event: string, options?: { timeout?: Duration }): Step<WaitOutcome>;

  sleep(duration: Duration): Step<void>;

  /** Tells whoever follows the run how far it is. */
  progress(message: string, percent?: number): Step<void>;

  /** Executes one of the coordinator's own activities, by name; tried again after retryable failures. */
  activity(name: string, input: unknown, options?: { attempts?: number }): Step<unknown>;

  /** Registers what undoes the steps before it: run in reverse order if the run does not complete. */
  compensate(label: string, undo: () => Step<unknown>): void;

  /** What was done so far stays done, whatever happens later. */
  commit(): void;

  /** Ends this generation and begins the next with a new input and an empty history. Nothing may be open or undoable. */
  continueAsNew(input: unknown): Step<never>;

  /** The time; the same in every replay. */
  now(): Date;

  /** A new id; the same in every replay. */
  uuid(): string;
}

type StepResult<T> = T extends Step<infer R> ? R : never;

/** The primitives for one run. */
export function createMesh(run: Run): Mesh {
  const mesh = {
    runId: run.runId,
    generation: run.generation,
    call: (target: CallTarget, input: unknown, options: CallOptions<unknown> = {}) => call(run, target, input, options),
    all: (steps: readonly Step<unknown>[], options: AllOptions = {}) => allResults(run, steps, options),
    ask: (question: Ask<unknown>) => ask(run, question),
    waitFor: (event: string, options: { timeout?: Duration } = {}) => waitFor(run, event, options),
    sleep: (duration: Duration) => sleep(run, duration),
    progress: (message: string, percent?: number) => progress(run, message, percent),
    activity: (name: string, input: unknown, options: { attempts?: number } = {}) =>
      activity(run, name, input, options),
    compensate(label: string, undo: () => Step<unknown>) {
      run.undos.push({ label, skip: false, result: undefined, run: undo });
    },
    commit() {
      run.undos.length = 0;
    },
    continueAsNew: (input: unknown) => continueAsNew(run, input),
    now: () => run.orchestration.now(),
    uuid: () => uuidOf(run, run.branch.nextPath()),
  };
  // The types of `call`, `all` and `ask` follow from their arguments, which an implementation cannot express.
  return mesh as Mesh;
}

async function* allResults(run: Run, steps: readonly Step<unknown>[], options: AllOptions): Step<unknown> {
  const results = yield* all(run, steps, options);
  return options.onFailure === 'collect' ? results : results.map((result) => (result.ok ? result.value : undefined));
}

async function* sleep(run: Run, duration: Duration): Step<void> {
  const { path } = yield* run.enter();
  const ms = toMs(duration);
  const until = new Date(run.orchestration.now().getTime() + ms).toISOString();
  yield* invoke(run, 'note', `${path}.sleep`, { entry: { type: 'waiting', data: { until } } });
  yield* pause(run, ms);
}

async function* progress(run: Run, message: string, percent: number | undefined): Step<void> {
  const { path } = yield* run.enter();
  yield* invoke(run, 'progress', `${path}.progress`, { message, ...(percent === undefined ? {} : { percent }) });
}

async function* activity(run: Run, name: string, input: unknown, options: { attempts?: number }): Step<unknown> {
  const { path } = yield* run.enter();
  const { output } = yield* invoke(
    run,
    'local',
    `${path}.local`,
    { name, key: `${run.generation}/${path}`, input },
    options,
  );
  return output;
}

async function* continueAsNew(run: Run, input: unknown): Step<never> {
  const { branch } = yield* run.enter();
  if (!branch.isRoot || run.compensating) throw new TypeError('continueAsNew in a branch of the run');
  if (run.open.size > 0) throw new TypeError('continueAsNew while a call, a question or a wait is open');
  if (run.undos.some((undo) => !undo.skip))
    throw new TypeError('continueAsNew would forget what is to be undone: commit() first');
  run.next = { input };
  for (;;) yield [];
}
