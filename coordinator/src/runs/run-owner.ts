import { afterCommit, type DetachedSkill, first, run, type Unit } from '@daca-mesh/protocol/server';
import { answerFromMessage } from '../inbox/answers.ts';
import { raiseEvent } from '../outbox/raise.ts';
import { query, type RunRow } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import { appendTimeline } from '../store/timeline.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { eventNames } from '../workflow-kit/contract.ts';
import type { UnitDeps } from './unit-deps.ts';
import { insertRun, isOver, loadRun, newToken, requestStart } from './run-rows.ts';

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

/** Flags a run as canceling and tells its workflow. Asked again, nothing more happens. */
export function* requestCancel(signals: Signals, row: RunRow, why: { by: string; reason?: string }): Unit<boolean> {
  const flagged = yield* run(
    query
      .updateTable('runs')
      .set({ canceling: 1, cancel_reason: why.reason ?? null })
      .where('run_id', '=', row.run_id)
      .where('canceling', '=', 0)
      .compile(),
  );
  if (flagged === 0) return false;
  yield* appendTimeline(signals, row.run_id, { type: 'cancel-requested', data: why });
  yield* raiseEvent(signals, row.run_id, eventNames.cancel, { reason: why.reason ?? `canceled by ${why.by}` });
  return true;
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
  // An event nobody waits for: all it does is that the engine runs the workflow's code once more.
  if (row.status === 'stalled') yield* raiseEvent(signals, row.run_id, eventNames.wait(`${row.run_id}-resumed`), {});
  if (row.suspended === 0) return false;
  yield* setSuspended(row.run_id, 0);
  yield* run(
    query
      .updateTable('calls')
      .set({ next_at: Date.now() })
      .where('run_id', '=', row.run_id)
      .where('state', '=', 'unsent')
      .compile(),
  );
  yield* appendTimeline(signals, row.run_id, { type: 'run-resumed' });
  yield* afterCommit(() => signals.calls.emit());
  return true;
}

function* setSuspended(runId: string, suspended: 0 | 1): Unit<void> {
  yield* first(query.updateTable('runs').set({ suspended }).where('run_id', '=', runId).returning('run_id').compile());
}
