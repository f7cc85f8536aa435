import { type Part, TaskState } from '@a2a-js/sdk';
import { artifact, dataPart, textPart } from '@daca-mesh/protocol';
import { afterCommit, all, killPoint, run, statement, type TaskChange, type Unit } from '@daca-mesh/protocol/server';
import { clearDeadline, setDeadline } from '../deadlines/deadlines.ts';
import { withdrawQuestions } from '../inbox/questions.ts';
import { query, type RunRow, type TimelineType } from '../store/schema.ts';
import { appendTimeline } from '../store/timeline.ts';
import type { RunEnd, UndoRecord } from '../workflow-kit/contract.ts';
import { abandonCalls } from '../watcher/abandon-calls.ts';
import type { UnitDeps } from './unit-deps.ts';
import { appendToTask } from './append-to-task.ts';
import { runRetentionMs } from './forget-run.ts';
import { requestCancel } from './cancel-run.ts';
import { documentOf } from './run-artifacts.ts';
import { isChild, isOver, loadRun, rootOf } from './run-rows.ts';
import { releaseRoot } from './stalled-runs.ts';

/** How long Dapr's own status API answers for a run that has ended. */
const purgeAfterMs = 24 * 60 * 60 * 1_000;

const endRun = statement<Pick<RunRow, 'run_id' | 'status' | 'output' | 'error' | 'undos'> & { now: number }, unknown>(
  (value) =>
    query
      .updateTable('runs')
      .set({
        status: value('status'),
        output: value('output'),
        error: value('error'),
        undos: value('undos'),
        finished_at: value('now'),
        updated_at: value('now'),
      })
      .where('run_id', '=', value('run_id')),
);

/** What must not outlive a run. */
const closing = [
  statement<{ run_id: string }, unknown>((value) =>
    query
      .updateTable('waits')
      .set({ status: 'withdrawn' })
      .where('run_id', '=', value('run_id'))
      .where('status', '=', 'open'),
  ),
  statement<{ run_id: string }, unknown>((value) =>
    query.deleteFrom('deadlines').where('run_id', '=', value('run_id')).where('kind', '=', 'wait'),
  ),
  statement<{ run_id: string }, unknown>((value) =>
    query
      .updateTable('outbox')
      .set({ state: 'done' })
      .where('run_id', '=', value('run_id'))
      .where('state', '<>', 'done'),
  ),
];

const timelineTypes: Record<RunEnd['status'], { run: TimelineType; child: TimelineType }> = {
  completed: { run: 'run-completed', child: 'child-completed' },
  failed: { run: 'run-failed', child: 'child-failed' },
  canceled: { run: 'run-canceled', child: 'child-canceled' },
};

/**
 * Ends a run, once, in one commit: its row, its task (artifact, then terminal status), its timeline, and everything that
 * was still open for it. Calls that are still out are given up; the watcher cancels them. A child has no task; what it
 * hands back to be undone is kept with its row.
 */
export function* finishRun(
  deps: UnitDeps,
  runId: string,
  end: RunEnd,
  undos: readonly UndoRecord[] = [],
): Unit<boolean> {
  const row = yield* loadRun(runId);
  if (!row || isOver(row)) return false;
  const now = Date.now();
  yield* run(
    endRun({
      run_id: runId,
      status: end.status,
      output: end.status === 'completed' ? JSON.stringify(end.output ?? null) : null,
      error: end.status === 'failed' ? JSON.stringify(failureOf(end)) : null,
      undos: undos.length > 0 ? JSON.stringify(undos) : null,
      now,
    }),
  );
  yield* withdrawQuestions(deps, { runId, reason: 'the run has ended' });
  for (const close of closing) yield* run(close({ run_id: runId }));
  yield* abandonCalls(deps, { runId, reason: 'the run has ended' });
  yield* orphanChildren(deps, runId);
  const type = timelineTypes[end.status][isChild(row) ? 'child' : 'run'];
  yield* appendTimeline(deps.signals, runId, { type, data: endData(end) });
  yield* setDeadline(deps.signals, { kind: 'purge', ref: runId, run_id: runId, due_at: now + purgeAfterMs });
  if (isChild(row)) {
    yield* clearDeadline('child', runId);
    if (row.status === 'stalled') yield* releaseRoot(deps, rootOf(row));
    yield* afterCommit(() => killPoint('child-ended'));
    return true;
  }
  yield* setDeadline(deps.signals, { kind: 'retention', ref: runId, run_id: runId, due_at: now + runRetentionMs });
  yield* appendToTask(deps.core, row.run_id, taskChange(row, end));
  if (deps.onRunEnd) yield* deps.onRunEnd(row, end);
  return true;
}

const selectChildren = statement<{ run_id: string }, RunRow>((value) =>
  query
    .selectFrom('runs')
    .selectAll()
    .where('parent_run_id', '=', value('run_id'))
    .where('status', 'in', ['pending', 'running', 'stalled']),
);

/** A workflow awaits its children; one that was ended from outside leaves them behind. */
function* orphanChildren({ signals }: UnitDeps, runId: string): Unit<void> {
  for (const child of yield* all(selectChildren({ run_id: runId }))) {
    yield* requestCancel(signals, child, { by: 'coordinator', reason: 'the run it belongs to has ended' });
  }
}

function taskChange(row: RunRow, end: RunEnd): TaskChange {
  switch (end.status) {
    case 'completed':
      return {
        artifact: {
          artifact: artifact({
            artifactId: `${row.run_id}-result`,
            name: row.workflow,
            parts: [dataPart(end.output ?? null), readablePart(row.workflow, end.output)],
          }),
          lastChunk: true,
        },
        status: { state: TaskState.TASK_STATE_COMPLETED },
      };
    case 'failed':
      return {
        status: {
          state: TaskState.TASK_STATE_FAILED,
          parts: [textPart(end.failure.message), dataPart({ error: failureOf(end) })],
        },
      };
    case 'canceled':
      return {
        status: {
          state: TaskState.TASK_STATE_CANCELED,
          parts: [textPart(end.reason ?? row.cancel_reason ?? 'the run was canceled')],
        },
      };
    default:
      return end satisfies never;
  }
}

const failureOf = (end: RunEnd & { status: 'failed' }): Record<string, unknown> => ({
  ...end.failure,
  ...(end.undone.length > 0 ? { undone: end.undone } : {}),
  ...(end.notUndone.length > 0 ? { notUndone: end.notUndone } : {}),
});

function endData(end: RunEnd): unknown {
  switch (end.status) {
    case 'completed':
      return { output: end.output };
    case 'failed':
      return { error: failureOf(end) };
    case 'canceled':
      return { ...(end.reason === undefined ? {} : { reason: end.reason }), undone: end.undone };
    default:
      return end satisfies never;
  }
}

/** An output for people: the document in it, with its name and media type, else its text. */
function readablePart(workflow: string, output: unknown): Part {
  const document = documentOf(workflow, output);
  if (!document) return textPart(resultText(output));
  const { content, mediaType, name: filename } = document;
  return { ...textPart(content), mediaType, filename };
}

/** An output's readable form: its own text, as the agents' skills do it, else its JSON. */
function resultText(output: unknown): string {
  if (typeof output === 'string') return output;
  if (typeof output === 'object' && output !== null && 'text' in output && typeof output.text === 'string')
    return output.text;
  return JSON.stringify(output ?? null);
}
