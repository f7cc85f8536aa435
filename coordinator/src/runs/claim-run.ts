import { TaskState } from '@a2a-js/sdk';
import { dataPart, extensionUris, MeshError, userMessage } from '@daca-mesh/protocol';
import { afterCommit, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import type { z } from 'zod';
import { forgetPayloads } from '../store/payloads.ts';
import { query, type RunRow } from '../store/schema.ts';
import type { ClaimOutcome, KitActivities } from '../workflow-kit/contract.ts';
import type { UnitDeps } from './unit-deps.ts';
import { forgetPast } from './forget-past.ts';
import { insertRun, isChild, isOver, loadRun, newToken } from './run-rows.ts';
import { unstallRun } from './stalled-runs.ts';

/**
 * The first thing every execution of an instance does: it shows its start token; where it is fresh, together with its
 * first activities. A start that timed out may happen later, and the id of a finished run can be started again through the engine's own API, so an instance whose token
 * does not fit, or whose run is over, stops without effect. An instance without a token was started through Dapr's API:
 * where no run has its id, run and task are born here in one commit.
 */

type ClaimInput = Parameters<KitActivities['claim']>[0];

/** The caller of runs that were started through the engine's own API. */
const engineCaller = 'dapr';

// Instance ids are chosen freely there; ours end up in URLs and in the ids of questions.
const usableId = /^[A-Za-z0-9_-]{1,50}$/;

const markRunning = statement<Pick<RunRow, 'run_id' | 'generation' | 'updated_at'>, unknown>((value) =>
  query
    .updateTable('runs')
    .set({ status: 'running', generation: value('generation'), updated_at: value('updated_at') })
    .where('run_id', '=', value('run_id')),
);

export function* claimRun(deps: UnitDeps, input: ClaimInput, schema: z.ZodType | undefined): Unit<ClaimOutcome> {
  const row = yield* loadRun(input.instanceId);
  if (!row) {
    if (input.token !== undefined) return stop('there is no such run');
    const adopted = yield* adoptInstance(deps, input, schema);
    // What it carried has no run that would ever be forgotten.
    if (adopted.status === 'stop') yield* forgetPayloads(input.instanceId);
    return adopted;
  }
  // A repeated claim of an instance that brought its run along has no token to show.
  const broughtAlong = row.caller === engineCaller && !isChild(row);
  const refusal = refusalOf(row, input.token ?? (broughtAlong ? row.token : undefined));
  if (refusal !== undefined) return stop(refusal);
  if (row.workflow !== input.workflow) return stop(notOwn);
  yield* unstallRun(deps, row.run_id);
  if (input.generation > row.generation) yield* forgetPast(row);
  yield* begin(deps, row, input.generation);
  if (row.canceling === 0) return go(row);
  return go(row, { begun: yield* hasBegun(row.run_id, input.generation), handed: input.generation > 0 });
}

/**
 * The claim of a fresh instance, in the commit of one of its first activities.
 * @throws MeshError `INSTANCE_REPLACED`, upon which the instance stops without effect.
 */
export function* claimFresh(deps: UnitDeps, row: RunRow | undefined, token: string): Unit<void> {
  const refusal = row ? refusalOf(row, token) : 'there is no such run';
  if (!row || refusal !== undefined) throw new MeshError('INSTANCE_REPLACED', refusal ?? notOwn);
  if (row.status === 'pending') yield* begin(deps, row, row.generation);
}

const notOwn = 'another instance runs this run';

function refusalOf(row: RunRow, token: string | undefined): string | undefined {
  if (isOver(row)) return `the run has ended: it is ${row.status}`;
  return token === row.token ? undefined : notOwn;
}

function* begin(deps: UnitDeps, row: RunRow, generation: number): Unit<void> {
  yield* run(markRunning({ run_id: row.run_id, generation, updated_at: Date.now() }));
  yield* afterCommit(() => deps.signals.runs.emit(row.run_id));
  if (row.status !== 'pending' || row.open_questions > 0 || isChild(row)) return;
  yield* deps.core.append(row.run_id, { status: { state: TaskState.TASK_STATE_WORKING } });
}

function* adoptInstance(deps: UnitDeps, input: ClaimInput, schema: z.ZodType | undefined): Unit<ClaimOutcome> {
  const runId = input.instanceId;
  if (!usableId.test(runId)) return stop('the instance id must be 1 to 50 characters of A-Z, a-z, 0-9, _ and -');
  if (!schema) return stop(`there is no workflow ${input.workflow}@${input.version}`);
  const parsed = schema.safeParse(input.input);
  if (!parsed.success) return stop(`the input does not fit the workflow: ${parsed.error.message}`);
  yield* deps.core.create({
    taskId: runId,
    skillId: input.workflow,
    message: userMessage({
      messageId: `${runId}-start`,
      parts: [dataPart(input.input)],
      metadata: { [extensionUris.skill]: { id: input.workflow } },
    }),
    caller: engineCaller,
  });
  yield* insertRun(deps.signals, {
    runId,
    workflow: input.workflow,
    version: input.version,
    caller: engineCaller,
    input: parsed.data,
    status: 'running',
    token: newToken(),
  });
  yield* deps.core.append(runId, { status: { state: TaskState.TASK_STATE_WORKING } });
  const created = yield* loadRun(runId);
  return created ? go(created) : stop('the run could not be created');
}

/** Whether a run did anything in a generation that may have to be undone. */
function* hasBegun(runId: string, generation: number): Unit<boolean> {
  const calls = query.selectFrom('calls').select('run_id').where('run_id', '=', runId);
  const children = query.selectFrom('runs').select('run_id').where('parent_run_id', '=', runId);
  const call = yield* first(calls.where('generation', '>=', generation).limit(1).compile());
  return (call ?? (yield* first(children.limit(1).compile()))) !== undefined;
}

const stop = (reason: string): ClaimOutcome => ({ status: 'stop', reason });

const go = (row: RunRow, more: { begun?: boolean; handed?: boolean } = {}): ClaimOutcome => ({
  status: 'go',
  runId: row.run_id,
  token: row.token,
  // Written by insertRun from a JSON value.
  input: JSON.parse(row.input) as unknown,
  canceled: row.canceling !== 0,
  ...more,
});
