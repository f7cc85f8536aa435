import { isMeshError, MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import { compensationAttempts, runCanceled, unwind } from './compensation.ts';
import { type ClaimOutcome, type Envelope, eventNames, type RunEnd } from './contract.ts';
import { Events } from './events.ts';
import { fromFailure } from './failure.ts';
import { invoke } from './invoke.ts';
import { createMesh } from './mesh.ts';
import type { Leaf, Orchestration, Step, Wait } from './orchestration.ts';
import { Run } from './run.ts';
import type { WorkflowDefinition } from './workflow.ts';

/**
 * Drives one generation of a run: claims it, runs the author's code, undoes what was done if it does not complete, and
 * finishes it. This is the outermost generator, the only one that yields to the engine.
 */
export async function* drive(
  definition: WorkflowDefinition,
  orchestration: Orchestration,
  startedWith: unknown,
): AsyncGenerator<unknown, unknown, unknown> {
  const start = toStart(orchestration, startedWith);
  const run = new Run(orchestration, start, new Events(orchestration, start.token ?? '', start.seen));
  const claim = yield* pump(run, claimRun(run, definition, start));
  if (claim.status === 'stop') return { stopped: claim.reason };
  run.events.token = claim.token;
  const root = run.branch;
  let end: RunEnd;
  try {
    if (claim.canceled) throw runCanceled(undefined);
    const input = start.generation === 0 ? claim.input : start.input;
    const output = yield* cancelable(run, execute(run, definition, input));
    if (run.next) return continueAsNew(run, run.next.input);
    end = { status: 'completed', output };
  } catch (error) {
    if (run.mismatch) throw run.mismatch;
    if (!isMeshError(error)) orchestration.warn('a workflow failed unexpectedly', { runId: run.runId, err: error });
    end = yield* pump(run, unwind(run, root, error));
  }
  yield* pump(run, invoke(run, 'finish', 'finish', { end }, { attempts: compensationAttempts }));
  if (end.status === 'failed') throw fromFailure(end.failure);
  return end.status === 'completed' ? end.output : { canceled: true };
}

type Start = Pick<Envelope, 'runId' | 'generation' | 'seen'> & { token?: string; input: unknown };

function toStart({ instanceId }: Orchestration, startedWith: unknown): Start {
  // Only our own outbox writes the mark; the claim judges the token.
  if (typeof startedWith === 'object' && startedWith !== null && '$mesh' in startedWith) return startedWith as Envelope;
  return { runId: instanceId, generation: 0, seen: { below: 1, above: [] }, input: startedWith };
}

async function* claimRun(run: Run, definition: WorkflowDefinition, start: Start): Step<ClaimOutcome> {
  const { token, input } = start;
  return yield* invoke(run, 'claim', 'claim', {
    instanceId: run.orchestration.instanceId,
    workflow: definition.name,
    version: definition.version,
    generation: start.generation,
    ...(token === undefined ? { input } : { token }),
  });
}

async function* execute(run: Run, definition: WorkflowDefinition, input: unknown): Step<unknown> {
  const parsed = definition.input.safeParse(input);
  if (!parsed.success) throw misfit('INVALID_ARGUMENT', `the input of ${definition.name} does not fit`, parsed.error);
  const output = yield* definition.run(createMesh(run), parsed.data);
  const checked = definition.output.safeParse(output);
  if (!checked.success)
    throw misfit('INVALID_OUTPUT', `${definition.name} returned what it does not promise`, checked.error);
  return checked.data;
}

function misfit(code: 'INVALID_ARGUMENT' | 'INVALID_OUTPUT', what: string, error: z.ZodError): MeshError {
  return new MeshError(code, `${what}: ${z.prettifyError(error)}`, { details: { issues: error.issues } });
}

function continueAsNew(run: Run, input: unknown): { continued: true } {
  const leftovers = run.events.close();
  run.orchestration.continueAsNew(
    {
      $mesh: 1,
      runId: run.runId,
      generation: run.generation + 1,
      token: run.events.token,
      input,
      seen: run.events.seen(),
    },
    leftovers,
  );
  return { continued: true };
}

/** Hands a step's waits to the engine until it is done. */
async function* pump<T>(run: Run, step: Step<T>): AsyncGenerator<unknown, T, unknown> {
  for (;;) {
    const { done, value } = await step.next();
    if (run.mismatch) throw run.mismatch;
    if (done) return value;
    yield* sleepUntilAny(run, value);
  }
}

/** The same for the author's code, which a cancel event interrupts and `continueAsNew` ends. */
async function* cancelable<T>(run: Run, step: Step<T>): AsyncGenerator<unknown, T | undefined, unknown> {
  const root = run.branch;
  for (;;) {
    const { done, value } = await step.next();
    if (run.mismatch) throw run.mismatch;
    if (done) return value;
    const waits: Leaf[] = [...value];
    if (!run.next) yield* sleepUntilAny(run, [...waits, run.events.waiter(eventNames.cancel)]);
    const cancel = run.events.take(eventNames.cancel);
    if (cancel) {
      const canceled = runCanceled(cancelReason(cancel.payload));
      root.abort(canceled);
      run.next = undefined;
      // Whatever it does with that (returns, throws something else, waits on): the run is canceled.
      await step.throw(canceled).catch(() => undefined);
      throw canceled;
    }
    if (run.next) return undefined;
  }
}

function* sleepUntilAny(run: Run, leaves: Wait): Generator<unknown, void, unknown> {
  if (!leaves.some((leaf) => leaf.isComplete)) yield run.orchestration.anyOf(leaves);
}

function cancelReason(payload: unknown): string | undefined {
  const reason = typeof payload === 'object' && payload !== null && 'reason' in payload ? payload.reason : undefined;
  return typeof reason === 'string' ? reason : undefined;
}
