import { digest, type Question } from '@daca-mesh/protocol';
import { all, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { readQuestion } from '../inbox/question-rows.ts';
import { askQuestion, withdrawQuestions } from '../inbox/questions.ts';
import { type CallRow, query, type QuestionRow } from '../store/schema.ts';
import { callRef, keyOf } from './call-rows.ts';
import type { WatcherDeps } from './watcher-deps.ts';

/** Questions about calls: what an agent asks, handed on to a person. */

/** The id of a question within the run: the same each time the agent's question is seen. */
export const callQuestionId = (row: CallRow, remoteId: string): string =>
  `${row.run_id}-q${digest([callRef(keyOf(row)), remoteId]).slice(0, 12)}`;

/** An agent's question under its id within the run. */
export const askedQuestion = (row: CallRow, question: Question) => ({
  id: callQuestionId(row, question.id),
  prompt: question.prompt,
  actions: question.actions,
  ...(question.schema === undefined ? {} : { schema: question.schema }),
  ...(question.arguments === undefined ? {} : { arguments: question.arguments }),
});

/** Puts what an agent asks into the inbox, once. */
export function* askPerson(deps: WatcherDeps, row: CallRow, question: Question): Unit<void> {
  const asked = askedQuestion(row, question);
  if (yield* readQuestion(asked.id)) return;
  yield* withdrawEarlier(deps, row);
  const through = question.path.length > 0 ? question.path : [row.agent ?? ''];
  const deadlineMs = question.deadline === undefined ? Number.NaN : Date.parse(question.deadline) - Date.now();
  yield* askQuestion(deps, {
    ...asked,
    questionId: asked.id,
    runId: row.run_id,
    generation: row.generation,
    path: [deps.settings.name, ...through],
    callId: row.call_id,
    attempt: row.attempt,
    remoteQuestionId: question.id,
    ...(question.assignee === undefined ? {} : { assignee: question.assignee }),
    ...(deadlineMs > 0 ? { timeoutMs: deadlineMs } : {}),
  });
}

/** Notes that nothing has to be brought to the agent any more. @returns whether there was. */
export function* markDelivered(questionId: string): Unit<boolean> {
  const changed = yield* run(setDelivered({ question_id: questionId, now: Date.now() }));
  return changed > 0;
}

/** An agent that asks something new needs no answer to what it asked before: it was answered there, or is dropped. */
function* withdrawEarlier(deps: WatcherDeps, row: CallRow): Unit<void> {
  const rows = yield* all(selectOpen({ run_id: row.run_id, call_id: row.call_id, attempt: row.attempt }));
  if (rows.length === 0) return;
  const questionIds = rows.map(({ question_id }) => question_id);
  yield* withdrawQuestions(deps, { runId: row.run_id, questionIds, reason: 'the agent asks something else now' });
  // An undelivered end would give up the call, which goes on.
  for (const questionId of questionIds) yield* markDelivered(questionId);
}

const selectOpen = statement<Pick<CallRow, 'run_id' | 'call_id' | 'attempt'>, Pick<QuestionRow, 'question_id'>>(
  (value) =>
    query
      .selectFrom('questions')
      .select('question_id')
      .where('run_id', '=', value('run_id'))
      .where('call_id', '=', value('call_id'))
      .where('attempt', '=', value('attempt'))
      .where('status', '=', 'open'),
);

const setDelivered = statement<{ question_id: string; now: number }, unknown>((value) =>
  query
    .updateTable('questions')
    .set({ delivered_at: value('now') })
    .where('question_id', '=', value('question_id'))
    .where('delivered_at', 'is', null),
);
