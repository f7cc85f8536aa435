import { afterCommit, type DetachedSkill, run, type Unit } from '@daca-mesh/protocol/server';
import { answerFromMessage } from '../inbox/answers.ts';
import { query, type RunRow } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import { appendTimeline } from '../store/timeline.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { requestCancel } from './cancel-run.ts';
import type { UnitDeps } from './unit-deps.ts';
import { insertRun, isOver, loadRun, newToken, openDescendants, requestStart } from './run-rows.ts';
import { isQuarantined, resumeInstance, retryStalledRun } from './stalled-runs.ts';

/** Owns the A2A tasks of a workflow: a task is a run, a message to it answers a question, its cancel cancels the run. */
export function createRunOwner(
  deps: UnitDeps,
  workflow: Pick<WorkflowDefinition, 'name' | 'version' | 'input'>,
): DetachedSkill {
  const { signals } = deps;
  return {
    input: workflow.input,
    *onStart({ taskId, input, caller }) {
      yield* insertRun(signals, {
        runId: taskId,
        workflow: workflow.name,
        version: workflow.version,
        caller,
        input,
        status: 'pending',
        token: newToken(),
      });
      yield* requestStart(signals, taskId);
    },
    *onMessage(message) {
      yield* answerFromMessage(deps, message);
    },
    *onCancel({ task, caller }) {
      const row = yield* loadRun(task.id);
      if (row && !isOver(row)) yield* requestCancel(signals, row, { by: caller });
    },
  };
}

/** Stops a run from sending anything new. What was sent goes on. */
export function* suspendRun(signals: Signals, row: RunRow): Unit<boolean> {
  if (row.suspended !== 0) return false;
  yield* setSuspended(row.run_id, 1);
  yield* appendTimeline(signals, row.run_id, { type: 'run-suspended' });
  return true;
}

/** Lets a suspended run send again, what it held back included; one that is stalled is given another turn. */
export function* resumeRun(signals: Signals, row: RunRow): Unit<boolean> {
  for (const each of [row, ...(yield* openDescendants(row.run_id))]) {
    if (isQuarantined(each)) yield* resumeInstance(signals, each.run_id);
    else if (each.status === 'stalled') yield* retryStalledRun(signals, each.run_id);
  }
  if (row.suspended === 0) return false;
  yield* setSuspended(row.run_id, 0);
  yield* run(
    query
      .updateTable('calls')
      .set({ next_at: Date.now() })
      .where('run_id', 'in', (eb) =>
        eb
          .selectFrom('runs')
          .select('run_id')
          .where((own) => own.or([own('run_id', '=', row.run_id), own('root_run_id', '=', row.run_id)])),
      )
      .where('state', '=', 'unsent')
      .compile(),
  );
  yield* appendTimeline(signals, row.run_id, { type: 'run-resumed' });
  yield* afterCommit(() => signals.calls.emit());
  return true;
}

/** The whole tree: what is started in it later begins as its parent stands. */
function* setSuspended(runId: string, suspended: 0 | 1): Unit<void> {
  yield* run(
    query
      .updateTable('runs')
      .set({ suspended })
      .where((eb) => eb.or([eb('run_id', '=', runId), eb('root_run_id', '=', runId)]))
      .compile(),
  );
}
