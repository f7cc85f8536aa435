import type { Answer } from '@daca-mesh/protocol';
import { MeshError } from '@daca-mesh/protocol';
import { afterCommit, all, type Caller, killPoint, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { setDeadline } from '../deadlines/deadlines.ts';
import { raiseEvent } from '../outbox/raise.ts';
import { isOver, loadRun } from '../runs/run-rows.ts';
import { query, type QuestionRow } from '../store/schema.ts';
import { eventNames, type QuestionOutcome } from '../workflow-kit/contract.ts';
import { addApproval, approvalsOf, viewQuestion } from './approvals.ts';
import { checkAnswer } from './check-answer.ts';
import { checkCaller } from './check-caller.ts';
import { answerOf, approvalRuleOf, type InboxQuestion, toInboxQuestion, toQuestion } from './inbox-question.ts';
import { noteQuestion } from './note-question.ts';
import { scheduleSteps } from './question-steps.ts';
import {
  type AskRequest,
  checkQuestion,
  type Closing,
  closedError,
  closeQuestion,
  countOpen,
  outcomeOf,
  readQuestion,
  toRow,
} from './question-rows.ts';
import { type InboxDeps, isRunOver, showQuestions } from './show-questions.ts';

/**
 * The row of a question is its only judge. Every outcome (answered, expired, withdrawn) is one compare-and-set on
 * `status = 'open'` in the commit that also writes the timeline, the task's state and the event for the workflow; who
 * comes second finds the row closed and is told by whom. No timer of a workflow takes part.
 */

/** Opens a question, once: asked again under the same id it tells what became of it. */
export function* askQuestion(deps: InboxDeps, request: AskRequest): Unit<{ status: 'open' } | QuestionOutcome> {
  const known = yield* readQuestion(request.questionId);
  if (known) return outcomeOf(known, yield* approvalsOf(known));
  const owner = yield* loadRun(request.runId);
  if (!owner || isOver(owner)) return { status: 'withdrawn' };
  const row = toRow(request, owner, Date.now());
  checkQuestion(row);
  yield* run(query.insertInto('questions').values(row).compile());
  yield* countOpen(row, 1);
  if (row.deadline_at !== null) {
    yield* setDeadline(deps.signals, {
      kind: 'question',
      ref: row.question_id,
      run_id: row.run_id,
      due_at: row.deadline_at,
    });
  }
  yield* scheduleSteps(deps, row);
  // What is to be approved may be large, and stays with the question; its hash says which it was.
  const { id: questionId, prompt, actions, argumentsHash, path, assignee, deadline } = toQuestion(row);
  const approvals = approvalRuleOf(row);
  const data = { questionId, prompt, actions, argumentsHash, path, assignee, approvals, deadline };
  yield* noteQuestion(deps, row, { type: 'asked', question: toInboxQuestion(row) }, data);
  yield* showQuestions(deps, row.root_run_id);
  yield* afterCommit(() => killPoint('question-open'));
  return { status: 'open' };
}

/**
 * Gives the answer to a question that is open. An approval that others must join is stored, and the question stays open.
 * @throws MeshError `QUESTION_NOT_FOUND`, `QUESTION_CLOSED` (with the accepted answer and who gave it),
 *   `ALREADY_APPROVED`, `AUTHENTICATION_REQUIRED`, `NOT_ASSIGNED` or `ANSWER_INVALID`.
 */
export function* answerQuestion(
  deps: InboxDeps,
  questionId: string,
  given: Answer,
  caller: Caller,
): Unit<InboxQuestion> {
  const row = yield* readQuestion(questionId);
  if (!row) throw new MeshError('QUESTION_NOT_FOUND', `there is no question ${questionId}`);
  const now = Date.now();
  // The store's clock decides: once the deadline has passed, the answer lost, however late the scheduler is.
  if (row.status !== 'open' || (row.deadline_at !== null && row.deadline_at <= now)) throw closedError(row);
  checkCaller(row, caller);
  checkAnswer(row, given);
  const { questionId: _id, ...answer } = given;
  const by = caller.name;
  if (answer.action === 'approve' && (yield* approve(deps, row, answer, by)) > 0) return yield* viewQuestion(row);
  const closed = yield* closeQuestion(row, {
    status: 'answered',
    answer: JSON.stringify(answer),
    answered_by: by,
    closed_at: now,
  });
  if (!closed) throw closedError(row);
  yield* afterCommit(() => killPoint('answer-accepted'));
  const question = yield* viewQuestion(closed);
  yield* noteQuestion(deps, row, { type: 'answered', question }, { questionId, ...answer, by });
  yield* deliver(deps, closed);
  yield* showQuestions(deps, row.root_run_id, `${by} answered: ${answer.action}`);
  return question;
}

/** Stores an approval, where more than an answer is needed. @returns how many are still missing. */
function* approve(deps: InboxDeps, row: QuestionRow, { reason }: Answer, by: string): Unit<number> {
  if (row.approvals === null) return 0;
  const approval = yield* addApproval(row, by, reason);
  const question = yield* viewQuestion(row);
  const missing = question.approvals?.missing ?? 0;
  const data = { questionId: row.question_id, by, ...(reason === undefined ? {} : { reason }), missing };
  yield* noteQuestion(deps, row, { type: 'approved', question, approval }, data);
  if (missing > 0) {
    yield* showQuestions(deps, row.root_run_id);
    yield* afterCommit(() => killPoint('approval-stored'));
  }
  return missing;
}

/** Lets a question's deadline take effect: the answer its author gave for that case, or none. */
export function* expireQuestion(deps: InboxDeps, questionId: string): Unit<boolean> {
  const row = yield* readQuestion(questionId);
  if (!row) return false;
  const closed = yield* closeQuestion(row, { status: 'expired', answer: row.on_deadline, closed_at: Date.now() });
  if (!closed) return false;
  const answer = answerOf(closed.answer);
  const question = yield* viewQuestion(closed);
  yield* noteQuestion(deps, row, { type: 'expired', question }, { questionId, ...(answer ? { answer } : {}) });
  yield* deliver(deps, closed);
  yield* showQuestions(deps, row.root_run_id, 'the deadline of the question passed');
  return true;
}

const selectOpen = statement<Pick<QuestionRow, 'run_id'>, QuestionRow>((value) =>
  query.selectFrom('questions').selectAll().where('run_id', '=', value('run_id')).where('status', '=', 'open'),
);

/** Closes open questions of a run that nobody needs answered any more: some by id, or all of them. */
export function* withdrawQuestions(
  deps: InboxDeps,
  which: { runId: string; questionIds?: readonly string[]; reason?: string },
): Unit<void> {
  const open = yield* all(selectOpen({ run_id: which.runId }));
  const rows = open.filter(({ question_id: id }) => which.questionIds?.includes(id) ?? true);
  if (rows.length === 0) return;
  const over = yield* isRunOver(which.runId);
  const closing: Closing = { status: 'withdrawn', closed_at: Date.now() };
  for (const row of rows) {
    const closed = yield* closeQuestion(row, closing);
    if (!closed) continue;
    const reason = which.reason === undefined ? {} : { reason: which.reason };
    const question = yield* viewQuestion(closed);
    yield* noteQuestion(deps, row, { type: 'withdrawn', question, ...reason }, { questionId: question.id, ...reason });
    if (!over) yield* deliver(deps, closed);
  }
  yield* showQuestions(deps, rows[0]?.root_run_id ?? which.runId, 'the question is no longer needed');
}

/** Tells who waits for the outcome: the workflow by an event, an agent through the watcher of its call. */
function* deliver(deps: InboxDeps, row: QuestionRow): Unit<void> {
  if (row.call_id === null) {
    const outcome = outcomeOf(row, yield* approvalsOf(row));
    yield* raiseEvent(deps.signals, row.run_id, eventNames.answer(row.question_id), outcome);
  } else {
    yield* afterCommit(() => deps.signals.calls.emit());
  }
}
