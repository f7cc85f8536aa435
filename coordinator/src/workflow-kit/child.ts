import type { CallOptions } from './call-options.ts';
import { undoingCall } from './call.ts';
import type { CarriedEnvelope, ChildOutcome, ChildRequest } from './contract.ts';
import { type Duration, toMs } from './duration.ts';
import { fromFailure } from './failure.ts';
import { childIdOf } from './identity.ts';
import { invoke } from './invoke.ts';
import { type OpenChild, whileOpen } from './open-work.ts';
import { type Step, untilAny } from './orchestration.ts';
import type { Place, Run } from './run.ts';
import type { Undo } from './undo-list.ts';
import { registeredName, type WorkflowDefinition } from './workflow.ts';

/** How a child is run. */
export interface ChildOptions<Output> {
  /** Says which one it is, in its path: `2[kitchen]`. */
  key?: string;
  /** Time limit of the child as a whole; default none. */
  timeout?: Duration;
  /**
   * The call that undoes a child that has completed, in place of what its own steps registered. What a child did that
   * has not completed is always undone step by step.
   */
  undo?: CallOptions<Output>['undo'];
}

/**
 * Runs a workflow as a child. The engine only says that it is over; how it ended is what its row says, so that a failure
 * keeps its code and details and no output has to fit into the history.
 */
export async function* child(
  run: Run,
  definition: WorkflowDefinition,
  input: unknown,
  { key, timeout, undo: undoCall }: ChildOptions<unknown>,
): Step<unknown> {
  requireUsed(run, definition);
  const { branch, path } = yield* run.enter();
  const place = { branch, path: key === undefined ? path : `${path}[${key}]` };
  const limit = timeout === undefined ? {} : { timeoutMs: toMs(timeout) };
  const undo: Undo = {
    branch,
    label: `${definition.name} at ${place.path}`,
    skip: false,
    result: undefined,
    handed: { childId: childIdOf(run, place.path) },
    action: (result) => undoCall && undoingCall(undoCall, result),
  };
  run.undos.push(undo);
  const outcome = yield* runChild(run, place, definition, input, limit);
  Object.assign(undo, { skip: !outcome.undoable, at: run.orchestration.now().getTime() });
  if (outcome.status !== 'completed') throw fromFailure(outcome.failure);
  if (undoCall) Object.assign(undo, { handed: undefined, skip: false, result: outcome.output });
  return outcome.output;
}

/** Opens a child, runs it, and waits until it has ended. */
export function runChild(
  run: Run,
  { branch, path }: Place,
  definition: WorkflowDefinition,
  input: unknown,
  limit: Pick<ChildRequest, 'timeoutMs'> = {},
): Step<ChildOutcome> {
  const { name: workflow, version } = definition;
  const childId = childIdOf(run, path);
  const work: OpenChild = { kind: 'child', branch, childId, activity: undefined, instance: undefined };
  return whileOpen(run, work, openAndWait(run, { childId, path, workflow, version, input, ...limit }, work));
}

async function* openAndWait(run: Run, request: ChildRequest, work: OpenChild): Step<ChildOutcome> {
  const { childId, path } = request;
  const onScheduled = (activity: OpenChild['activity']): void => void (work.activity = activity);
  const opened = yield* invoke(run, 'openChild', `${path}.child`, { child: request }, { onScheduled });
  if (opened.status !== 'open') return opened;
  const { token, seen, fresh } = opened;
  const marks = { $mesh: 1, runId: childId, generation: 0, token, seen, root: run.root ?? run.runId } as const;
  const envelope: CarriedEnvelope = fresh
    ? { ...marks, fresh, ...(await run.payloads.pack(run.runId, 'input', request.input)) }
    : // Its input is in its row, and comes with the claim.
      { ...marks, input: null };
  work.instance = run.orchestration.child(
    registeredName({ name: request.workflow, version: request.version }),
    envelope,
    childId,
  );
  yield* untilAny([work.instance]);
  return yield* invoke(run, 'childEnd', `${path}.child-end`, { childId });
}

/** What a worker was not told of it cannot run, and the child would stall. */
export function requireUsed(run: Run, definition: WorkflowDefinition): void {
  if (run.compensating) throw new TypeError('a child workflow in a compensation');
  // An item that the run works on itself is of a workflow that uses none.
  if (!run.branch.item && run.uses.includes(definition)) return;
  throw new TypeError(`${definition.name} is run as a child: name it in \`uses\` of the workflow that does`);
}
