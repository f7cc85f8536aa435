import { TaskState } from '@a2a-js/sdk';
import { dataPart, extensionUris, textPart } from '@daca-mesh/protocol';
import { all, type Callers, type TaskCore, type Unit } from '@daca-mesh/protocol/server';
import { isOver, loadRun } from '../runs/run-rows.ts';
import { query } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import { approvalsOf } from './approvals.ts';
import { toInboxQuestion, toQuestion } from './inbox-question.ts';
import type { QuestionListener } from './question-events.ts';
import { questionsText } from './question-text.ts';

/** What the units of the inbox need. */
export interface InboxDeps {
  signals: Signals;
  core: Pick<TaskCore, 'append'>;
  /** What is known of a caller by name: whether a token proved it, and which roles it has. */
  identify: Callers['identify'];
  /** Told of everything that happens to a question, in the commit that stores it. */
  onQuestion?: QuestionListener;
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
  const [oldest, ...others] = rows;
  if (!oldest) {
    yield* deps.core.append(runId, { status: { state: TaskState.TASK_STATE_WORKING, parts: [textPart(done)] } });
    return;
  }
  const given = yield* approvalsOf(oldest);
  const question = toQuestion(oldest, given);
  const text = questionsText([toInboxQuestion(oldest, given), ...others.map((row) => toInboxQuestion(row))]);
  yield* deps.core.append(runId, {
    status: {
      state: TaskState.TASK_STATE_INPUT_REQUIRED,
      parts: [textPart(text), dataPart(question)],
      metadata: { [extensionUris.question]: question },
    },
  });
}
