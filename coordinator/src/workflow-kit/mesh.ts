import type { z } from 'zod';
import { all, type AllOptions, type BranchResult } from './all.ts';
import { ask, type Ask, type AskOutcome } from './ask.ts';
import { call } from './call.ts';
import { child, type ChildOptions } from './child.ts';
import type { CallOptions, CallResult, CallTarget, SkillInput, SkillOutput, UndoingCall } from './call-options.ts';
import type { Failure, WaitOutcome } from './contract.ts';
import { type Duration, toMs } from './duration.ts';
import { uuidOf } from './identity.ts';
import { invoke, pause } from './invoke.ts';
import { localActivity } from './local-activity.ts';
import { map, type MapOptions } from './map.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';
import { bindRun } from './run-of.ts';
import type { UndoAction } from './undo-list.ts';
import { waitFor } from './wait-for.ts';
import { within } from './within.ts';
import type { TypedWorkflow, WorkflowDefinition } from './workflow.ts';

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

  /**
   * Runs a workflow as a child, with an instance and a history of its own, and gives its output. The workflow must be
   * named in `uses`. What the child does shows on this run. Throws the error the child failed with, and
   * `DEADLINE_EXCEEDED` when its time is up. A child undoes nothing itself: what its steps registered is undone with this
   * run's own, also where the child failed and this run went on.
   */
  child<const I extends z.ZodType, const O extends z.ZodType>(
    workflow: TypedWorkflow<I, O>,
    input: z.input<I>,
    options?: ChildOptions<z.output<O>>,
  ): Step<z.output<O>>;

  /**
   * Runs a workflow for each of many items (thousands), at most `limit` at a time, and gives how each of them ended, in
   * their order. The workflow must be named in `uses`; it may do everything but `continueAsNew`.
   */
  map<const I extends z.ZodType, const O extends z.ZodType>(
    items: readonly z.input<I>[],
    workflow: TypedWorkflow<I, O>,
    options: MapOptions & { onFailure: 'collect' },
  ): Step<BranchResult<z.output<O>>[]>;
  /** The same, giving the outputs. The first failure cancels what is under way and is thrown. */
  map<const I extends z.ZodType, const O extends z.ZodType>(
    items: readonly z.input<I>[],
    workflow: TypedWorkflow<I, O>,
    options?: MapOptions & { onFailure?: 'fail-fast' },
  ): Step<z.output<O>[]>;

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

  /**
   * Runs a step that may take so long. Where it takes longer, what it has open is given up (calls are canceled, questions
   * withdrawn), and `DEADLINE_EXCEEDED` is thrown, with the limit as `details.timeLimitMs`. What it did stays done until
   * the run fails.
   */
  within<T>(limit: Duration, step: Step<T>): Step<T>;

  /** Tells whoever follows the run how far it is, in percent of the whole, and which step it is at. */
  progress(message: string, percent?: number, step?: string): Step<void>;

  /** Executes one of the coordinator's own activities, by name; tried again after retryable failures. */
  activity(name: string, input: unknown, options?: { attempts?: number }): Step<unknown>;

  /**
   * Registers what undoes the steps before it: run in reverse order if the run does not complete. Code, which is told what
   * ended the run, or, as it must be in a workflow that is run as a child, a call or activity as data.
   */
  compensate(
    label: string,
    undo: ((failure: Failure) => Step<unknown>) | UndoingCall | { activity: string; input: unknown },
  ): void;

  /** What was done so far stays done, whatever happens later. */
  commit(): void;

  /**
   * Ends this generation and begins the next with a new input and an empty history. Nothing may be open or undoable. A
   * workflow without an end does this before its history has 1,000 events (about 300 steps): every turn replays them all,
   * and from there on the timeline warns. A cancel that comes between two generations finds what the later one says is to be
   * undone before its first wait.
   */
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
    within: (limit: Duration, step: Step<unknown>) => within(run, limit, step),
    progress: (message: string, percent?: number, step?: string) => progress(run, { message, percent, step }),
    activity: (name: string, input: unknown, options: { attempts?: number } = {}) =>
      localActivity(run, name, input, options),
    child: (workflow: WorkflowDefinition, input: unknown, options: ChildOptions<unknown> = {}) =>
      child(run, workflow, input, options),
    map: (items: readonly unknown[], workflow: WorkflowDefinition, options: MapOptions = {}) =>
      mapResults(typed, run, items, workflow, options),
    compensate: (label: string, undo: Parameters<Mesh['compensate']>[1]) => compensate(run, label, undo),
    commit: () => run.commit(),
    continueAsNew: (input: unknown) => continueAsNew(run, input),
    now: () => run.orchestration.now(),
    uuid: () => uuidOf(run, run.branch.nextPath()),
  };
  // The types of `call`, `all`, `map` and `ask` follow from their arguments, which an implementation cannot express.
  const typed = mesh as Mesh;
  bindRun(typed, run);
  return typed;
}

async function* allResults(run: Run, steps: readonly Step<unknown>[], options: AllOptions): Step<unknown> {
  const results = yield* all(run, steps, options);
  return options.onFailure === 'collect' ? results : values(results);
}

async function* mapResults(
  mesh: Mesh,
  run: Run,
  items: readonly unknown[],
  workflow: WorkflowDefinition,
  options: MapOptions,
): Step<unknown> {
  const results = yield* map(mesh, run, items, workflow, options);
  return options.onFailure === 'collect' ? results : values(results);
}

const values = (results: readonly BranchResult<unknown>[]): unknown[] =>
  results.map((result) => (result.ok ? result.value : undefined));

async function* sleep(run: Run, duration: Duration): Step<void> {
  const { path } = yield* run.enter();
  const ms = toMs(duration);
  const until = new Date(run.orchestration.now().getTime() + ms).toISOString();
  yield* invoke(run, 'note', `${path}.sleep`, { entry: { type: 'waiting', data: { until } } });
  if (!run.retracing) yield* pause(run, ms);
}

async function* progress(
  run: Run,
  { message, percent, step }: { message: string; percent: number | undefined; step: string | undefined },
): Step<void> {
  const { path } = yield* run.enter();
  const progress = { message, ...(percent === undefined ? {} : { percent }), ...(step === undefined ? {} : { step }) };
  run.orchestration.showStatus(progress);
  yield* invoke(run, 'progress', `${path}.progress`, progress);
}

function compensate(run: Run, label: string, undo: Parameters<Mesh['compensate']>[1]): void {
  if (typeof undo === 'function' && (run.root !== undefined || run.branch.item)) {
    throw new TypeError(`compensate("${label}"): a child is over when it is undone; give the call or activity as data`);
  }
  const action = undoAction(undo);
  run.undos.push({
    branch: run.branch,
    label,
    skip: false,
    result: undefined,
    at: run.orchestration.now().getTime(),
    action: () => action,
  });
}

function undoAction(undo: Parameters<Mesh['compensate']>[1]): UndoAction {
  if (typeof undo === 'function') return undo;
  if ('activity' in undo) return { activity: { name: undo.activity, input: undo.input } };
  return { call: undo };
}

async function* continueAsNew(run: Run, input: unknown): Step<never> {
  const { branch } = yield* run.enter();
  if (!branch.isRoot || run.compensating) throw new TypeError('continueAsNew in a branch of the run');
  if (run.open.size > 0) throw new TypeError('continueAsNew while a call, a question, a wait or a child is open');
  if (run.undos.some((undo) => !undo.skip))
    throw new TypeError('continueAsNew would forget what is to be undone: commit() first');
  run.next = { input };
  for (;;) yield [];
}
