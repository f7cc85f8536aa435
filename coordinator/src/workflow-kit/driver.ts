import { isMeshError } from '@daca-mesh/protocol';
import type { ActivityInput } from './activity-message.ts';
import { runCanceled, unwind } from './compensation.ts';
import { type ClaimOutcome, type CarriedEnvelope, eventNames, type RunEnd } from './contract.ts';
import { Events } from './events.ts';
import { fromFailure } from './failure.ts';
import { invoke, schedule } from './invoke.ts';
import { createMesh } from './mesh.ts';
import type { Leaf, Orchestration, Step, Wait } from './orchestration.ts';
import { type Carried, type Payloads, shownBytes } from './payloads.ts';
import { Run } from './run.ts';
import { runWorkflow } from './run-workflow.ts';
import { compensationAttempts, handOver } from './undo-list.ts';
import type { WorkflowDefinition } from './workflow.ts';

/**
 * Drives one generation of a run: claims it (a fresh one with its first activities), runs the author's code, undoes what
 * was done if it does not complete, and finishes it. This is the outermost generator, the only one that yields to the
 * engine.
 */
export async function* drive(
  definition: WorkflowDefinition,
  orchestration: Orchestration,
  startedWith: unknown,
  payloads: Payloads,
): AsyncGenerator<unknown, unknown, unknown> {
  const start = toStart(orchestration, startedWith);
  const events = new Events(orchestration, start.token ?? '', start.seen);
  const run = new Run(orchestration, start, events, payloads, definition.uses);
  try {
    return yield* driveRun(run, definition, start);
  } catch (error) {
    if (run.halted?.code === 'INSTANCE_REPLACED') return { stopped: run.halted.message };
    throw error;
  }
}

async function* driveRun(
  run: Run,
  definition: WorkflowDefinition,
  start: Start,
): AsyncGenerator<unknown, unknown, unknown> {
  const { orchestration, payloads } = run;
  const claim = start.fresh ? takeFresh(run, start) : yield* pump(run, claimRun(run, definition, start));
  if (claim.status === 'stop') return { stopped: claim.reason };
  run.events.token = claim.token;
  const root = run.branch;
  let end: RunEnd | undefined;
  try {
    const { canceled, begun = false, handed = false } = claim;
    if (canceled && !begun && !handed) throw runCanceled(undefined);
    run.retracing = canceled && begun;
    const input = start.generation === 0 && !start.fresh ? claim.input : await run.unpack('input', start);
    const output = yield* cancelable(run, runWorkflow(definition, createMesh(run), input), canceled && !begun);
    if (run.next) return await continueAsNew(run, run.next);
    end = { status: 'completed', output };
    yield* pump(run, finish(run, end, 'finish'));
  } catch (error) {
    if (run.halted) throw run.halted;
    // One whose end cannot be stored has not completed.
    const key = end ? 'finish-failed' : 'finish';
    run.retracing = false;
    if (!isMeshError(error)) orchestration.warn('a workflow failed unexpectedly', { runId: run.runId, err: error });
    end = yield* pump(run, unwind(run, root, error));
    yield* pump(run, finish(run, end, key));
  }
  if (end.status === 'failed') throw fromFailure(end.failure);
  if (end.status === 'canceled') return { canceled: true };
  // Its parent reads the output from the row.
  if (run.root !== undefined) return { completed: true };
  const output = await payloads.pack(run.runId, 'output', end.output, shownBytes);
  return 'ref' in output ? output.ref : output.output;
}

/** The last activity. A child hands over what undoes it. */
async function* finish(run: Run, end: RunEnd, key: string): Step<void> {
  const handed = run.root === undefined ? {} : { undos: handOver(run) };
  yield* invoke(run, 'finish', key, { end, ...handed }, { attempts: compensationAttempts });
}

type Start = Pick<CarriedEnvelope, 'runId' | 'generation' | 'seen' | 'root' | 'fresh'> & {
  token?: string;
} & Carried<'input'>;

function toStart({ instanceId }: Orchestration, startedWith: unknown): Start {
  // Only our own outbox writes the mark; the claim judges the token.
  if (typeof startedWith === 'object' && startedWith !== null && '$mesh' in startedWith)
    return startedWith as CarriedEnvelope;
  return { runId: instanceId, generation: 0, seen: { below: 1, above: [] }, input: startedWith };
}

/** What the claim of a fresh run would answer; it is made by the first activities. */
function takeFresh(run: Run, { token = '' }: Start): Extract<ClaimOutcome, { status: 'go' }> {
  run.claiming = token;
  return { status: 'go', runId: run.runId, token, input: undefined, canceled: false };
}

async function* claimRun(run: Run, definition: WorkflowDefinition, start: Start): Step<ClaimOutcome> {
  const { token } = start;
  return yield* invoke(run, 'claim', 'claim', {
    instanceId: run.orchestration.instanceId,
    workflow: definition.name,
    version: definition.version,
    generation: start.generation,
    ...(token === undefined ? { input: await run.unpack('input', start) } : { token }),
  });
}

async function continueAsNew(run: Run, next: NonNullable<Run['next']>): Promise<{ continued: true }> {
  const carried = await run.payloads.pack(run.runId, 'input', next.input);
  const leftovers = run.events.close();
  run.orchestration.continueAsNew(
    {
      $mesh: 1,
      runId: run.runId,
      generation: run.generation + (next.sameGeneration ? 0 : 1),
      token: run.events.token,
      ...carried,
      seen: run.events.seen(),
      ...(run.root === undefined ? {} : { root: run.root }),
    },
    leftovers,
  );
  return { continued: true };
}

/** Hands a step's waits to the engine until it is done. */
async function* pump<T>(run: Run, step: Step<T>): AsyncGenerator<unknown, T, unknown> {
  for (;;) {
    const { done, value } = await step.next();
    if (run.halted) throw run.halted;
    if (done) return value;
    yield* sleepUntilAny(run, value);
  }
}

/**
 * The same for the author's code, which a cancel event interrupts and `continueAsNew` ends. One that is canceled at its
 * start comes to its first wait: what is to be undone it has said by then.
 */
async function* cancelable<T>(
  run: Run,
  step: Step<T>,
  atStart: boolean,
): AsyncGenerator<unknown, T | undefined, unknown> {
  const root = run.branch;
  for (;;) {
    const { done, value } = await step.next();
    if (run.halted) throw run.halted;
    if (done) return value;
    const waits: Leaf[] = [...value];
    const isOver = atStart || (!run.next && run.hasRetraced(waits));
    if (!run.next && !isOver) yield* sleepUntilAny(run, [...waits, run.events.waiter(eventNames.cancel)]);
    const cancel = run.events.take(eventNames.cancel);
    if (cancel || isOver) {
      const canceled = runCanceled(cancel && cancelReason(await run.unpack('payload', cancel)));
      root.abort(canceled);
      run.next = undefined;
      // Whatever it does with that (returns, throws something else, waits on): the run is canceled.
      await step.throw(canceled).catch(() => undefined);
      throw canceled;
    }
    if (run.next) return undefined;
  }
}

async function* sleepUntilAny(run: Run, leaves: Wait): AsyncGenerator<unknown, void, unknown> {
  for (;;) {
    // Nobody waits for it: what it does is to show that the run goes on, where it was stalled.
    if (run.events.take(eventNames.resume)) await schedule(run, 'note', `resume.${run.resumes++}`, resumed);
    if (leaves.some((leaf) => leaf.isComplete)) return;
    yield run.orchestration.anyOf([...leaves, run.events.waiter(eventNames.resume)]);
  }
}

const resumed: ActivityInput<'note'> = { entry: { type: 'resumed', data: {} } };

function cancelReason(payload: unknown): string | undefined {
  const reason = typeof payload === 'object' && payload !== null && 'reason' in payload ? payload.reason : undefined;
  return typeof reason === 'string' ? reason : undefined;
}
