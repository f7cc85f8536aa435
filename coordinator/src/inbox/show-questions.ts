import { TaskState } from '@a2a-js/sdk';
import { dataPart, extensionUris, textPart } from '@daca-mesh/protocol';
import { all, type TaskCore, type Unit } from '@daca-mesh/protocol/server';
import { isOver, loadRun } from '../runs/run-rows.ts';
import { query } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import { toQuestion } from './inbox-question.ts';
import { questionsText } from './question-text.ts';

/** What the units of the inbox need. */
export interface InboxDeps {
  signals: Signals;
  core: Pick<TaskCore, 'append'>;
}

/** Whether a run is over, or was never known: nothing is asked on its behalf any more. */
export function* isRunOver(runId: string): Unit<boolean> {
  const row = yield* loadRun(runId);
  return row === undefined || isOver(row);
}

/**
 * Makes the task of a run say what the rows say: INPUT_REQUIRED with the oldest open question (as text, as a data part
 * and as the extension's metadata) and the others by name, or WORKING when none is left. A run that is over is left
 * alone, since its task is terminal or becomes so in the same commit.
 */
export function* showQuestions(deps: InboxDeps, runId: string, done = 'work goes on'): Unit<void> {
  if (yield* isRunOver(runId)) return;
  const rows = yield* all(
    query
      .selectFrom('questions')
      .selectAll()
      .where('root_run_id', '=', runId)
      .where('status', '=', 'open')
      .orderBy('asked_at')
      .orderBy('question_id')
      .compile(),
  );
  const [oldest, ...others] = rows.map(toQuestion);
  const status = oldest
    ? {
        state: TaskState.TASK_STATE_INPUT_REQUIRED,
        parts: [textPart(questionsText([oldest, ...others])), dataPart(oldest)],
        metadata: { [extensionUris.question]: oldest },
      }
    : { state: TaskState.TASK_STATE_WORKING, parts: [textPart(done)] };
  yield* deps.core.append(runId, { status });
}
