import type { Message, Task } from '@a2a-js/sdk';
import { isMeshError, MeshError, parseAnswer, parseEventAnswer, type Question } from '@daca-mesh/protocol';
import { all, type Caller, type Unit } from '@daca-mesh/protocol/server';
import { query, type QuestionRow } from '../store/schema.ts';
import { withClaimedName } from './check-caller.ts';
import { type InboxQuestion, toQuestion } from './inbox-question.ts';
import { answerForms } from './question-text.ts';
import { closedError } from './question-rows.ts';
import { answerQuestion } from './questions.ts';
import type { InboxDeps } from './show-questions.ts';

/**
 * Answers that come as an A2A message on the run's task. A message answers only a question that is open now. Once the
 * task has had an earlier question, an `approve`, `reject` or `edit` must name its own: else an approval that was
 * delayed, or sent twice, would approve whatever is asked next.
 */
export function* answerFromMessage(
  deps: InboxDeps,
  { task, message, caller }: { task: Task; message: Message; caller: string },
): Unit<InboxQuestion> {
  const rows = yield* all(
    query
      .selectFrom('questions')
      .selectAll()
      .where('root_run_id', '=', task.id)
      .orderBy('asked_at')
      .orderBy('question_id')
      .compile(),
  );
  const open = rows.filter((row) => row.status === 'open');
  try {
    const { question, answer } = parseAnswer(message, {
      open: open.map(withoutSchema),
      hadEarlier: rows.length > open.length,
    });
    return yield* answerQuestion(deps, question.id, answer, deps.identify(caller));
  } catch (error) {
    throw explained(error, rows);
  }
}

/** The value is checked against the row, by the one text that serves every way an answer can come. */
function withoutSchema(row: QuestionRow): Question {
  const { schema: _schema, ...question } = toQuestion(row);
  return question;
}

/** Adds what the parser cannot know: who answered a closed question, and how an open one is answered. */
function explained(error: unknown, rows: readonly QuestionRow[]): unknown {
  if (!isMeshError(error)) return error;
  const named = error.details?.['questionId'];
  const row = named === undefined ? rows.at(-1) : rows.find(({ question_id }) => question_id === named);
  if (!row) return error;
  if (error.code === 'QUESTION_CLOSED' && row.status !== 'open') return closedError(row);
  if (error.code !== 'ANSWER_INVALID' || row.status !== 'open') return error;
  return new MeshError(error.code, error.message, {
    details: { ...error.details, forms: answerForms(toQuestion(row)) },
  });
}

/**
 * The answer that a user-named event gives (`ask(question, { event })`).
 * @throws MeshError as `answerQuestion`.
 */
export function* answerFromEvent(
  deps: InboxDeps,
  row: QuestionRow,
  payload: unknown,
  caller: Caller,
): Unit<InboxQuestion> {
  const { answer, by } = parseEventAnswer(toQuestion(row), payload);
  return yield* answerQuestion(deps, row.question_id, answer, withClaimedName(caller, by));
}
