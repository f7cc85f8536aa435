import { type Answer, compileAnswerSchema, digest, MeshError, Question } from '@daca-mesh/protocol';
import { afterCommit, all, first, killPoint, run, type Unit } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import { clearDeadline, setDeadline } from '../deadlines/deadlines.ts';
import { raiseEvent } from '../outbox/raise.ts';
import { isOver, loadRun, rootOf } from '../runs/run-rows.ts';
import { query, type QuestionRow, type RunRow } from '../store/schema.ts';
import { appendTimeline, type NewTimelineEntry } from '../store/timeline.ts';
import { eventNames, type QuestionOutcome, type QuestionRequest } from '../workflow-kit/contract.ts';
import { checkAnswer } from './check-answer.ts';
import { answerOf, escalationOf, type InboxQuestion, toInboxQuestion, toQuestion } from './inbox-question.ts';
import { type InboxDeps, isRunOver, showQuestions } from './show-questions.ts';

/**
 * The row of a question is its only judge. Every outcome (answered, expired, withdrawn) is one compare-and-set on
 * `status = 'open'` in the commit that also writes the timeline, the task's state and the event for the workflow; who
 * comes second finds the row closed and is told by whom. No timer of a workflow takes part.
 */

/** A question of a run: one the workflow asks, or (with `callId`) one that an agent asked and a person shall answer. */
export interface AskRequest extends Omit<QuestionRequest, 'path'> {
  runId: string;
  generation: number;
  /** The agents it came through, the asking one last. */
  path: string[];
  callId?: string;
  attempt?: number;
  remoteQuestionId?: string;
}

/** Opens a question, once: asked again under the same id it tells what became of it. */
export function* askQuestion(deps: InboxDeps, request: AskRequest): Unit<{ status: 'open' } | QuestionOutcome> {
  const known = yield* readQuestion(request.questionId);
  if (known) return outcomeOf(known);
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
  yield* scheduleEscalation(deps, row);
  // What is to be approved may be large, and stays with the question; its hash says which it was.
  const { id: questionId, prompt, actions, argumentsHash, path, assignee, deadline } = toQuestion(row);
  const asked = { questionId, prompt, actions, argumentsHash, path, assignee, deadline };
  yield* note(deps, row, 'question-asked', asked);
  yield* showQuestions(deps, row.root_run_id);
  yield* afterCommit(() => killPoint('question-open'));
  return { status: 'open' };
}

/**
 * Gives the answer to a question that is open.
 * @throws MeshError `QUESTION_NOT_FOUND`, `QUESTION_CLOSED` (with the accepted answer and who gave it) or
 *   `ANSWER_INVALID`.
 */
export function* answerQuestion(deps: InboxDeps, questionId: string, given: Answer, by: string): Unit<InboxQuestion> {
  const row = yield* readQuestion(questionId);
  if (!row) throw new MeshError('QUESTION_NOT_FOUND', `there is no question ${questionId}`);
  const now = Date.now();
  // The store's clock decides: once the deadline has passed, the answer lost, however late the scheduler is.
  if (row.status !== 'open' || (row.deadline_at !== null && row.deadline_at <= now)) throw closedError(row);
  checkAnswer(row, given);
  const { questionId: _id, ...answer } = given;
  const closed = yield* close(row, {
    status: 'answered',
    answer: JSON.stringify(answer),
    answered_by: by,
    closed_at: now,
  });
  if (!closed) throw closedError(row);
  yield* afterCommit(() => killPoint('answer-accepted'));
  yield* note(deps, row, 'question-answered', { questionId, ...answer, by });
  yield* deliver(deps, closed);
  yield* showQuestions(deps, row.root_run_id, `${by} answered: ${answer.action}`);
  return toInboxQuestion(closed);
}

/** Lets a question's deadline take effect: the answer its author gave for that case, or none. */
export function* expireQuestion(deps: InboxDeps, questionId: string): Unit<boolean> {
  const row = yield* readQuestion(questionId);
  if (!row) return false;
  const closed = yield* close(row, { status: 'expired', answer: row.on_deadline, closed_at: Date.now() });
  if (!closed) return false;
  const answer = answerOf(closed.answer);
  yield* note(deps, row, 'question-expired', { questionId, ...(answer ? { answer } : {}) });
  yield* deliver(deps, closed);
  yield* showQuestions(deps, row.root_run_id, 'the deadline of the question passed');
  return true;
}

/** Asks the next one in the row's escalation steps. */
export function* escalateQuestion(deps: InboxDeps, questionId: string): Unit<boolean> {
  const row = yield* readQuestion(questionId);
  const step = row && escalationOf(row)[row.escalated];
  if (!row || !step) return false;
  const escalated = yield* first(
    query
      .updateTable('questions')
      .set({ assignee: step.assignee, escalated: row.escalated + 1 })
      .where('question_id', '=', questionId)
      .where('status', '=', 'open')
      .where('escalated', '=', row.escalated)
      .returningAll()
      .compile(),
  );
  if (!escalated) return false;
  yield* scheduleEscalation(deps, escalated);
  yield* note(deps, row, 'question-escalated', {
    questionId,
    assignee: step.assignee,
    ...(row.assignee === null ? {} : { from: row.assignee }),
  });
  yield* showQuestions(deps, row.root_run_id);
  return true;
}

/** Closes open questions of a run that nobody needs answered any more: some by id, or all of them. */
export function* withdrawQuestions(
  deps: InboxDeps,
  which: { runId: string; questionIds?: readonly string[]; reason?: string },
): Unit<void> {
  const open = query.selectFrom('questions').selectAll().where('run_id', '=', which.runId).where('status', '=', 'open');
  const rows = yield* all(
    (which.questionIds ? open.where('question_id', 'in', [...which.questionIds]) : open).compile(),
  );
  if (rows.length === 0) return;
  const over = yield* isRunOver(which.runId);
  for (const row of rows) {
    const closed = yield* close(row, { status: 'withdrawn', closed_at: Date.now() });
    if (!closed) continue;
    const reason = which.reason === undefined ? {} : { reason: which.reason };
    yield* note(deps, row, 'question-withdrawn', { questionId: row.question_id, ...reason });
    if (!over) yield* deliver(deps, closed);
  }
  yield* showQuestions(deps, rows[0]?.root_run_id ?? which.runId, 'the question is no longer needed');
}

/** A question's row, or undefined. */
export const readQuestion = (questionId: string): Unit<QuestionRow | undefined> =>
  first(query.selectFrom('questions').selectAll().where('question_id', '=', questionId).compile());

/** Why a question takes no answer any more, with what was decided. */
export function closedError(row: QuestionRow): MeshError {
  const question = toInboxQuestion(row);
  const at = question.closedAt ?? question.deadline ?? '';
  const { answer } = question;
  const outcomes: Record<QuestionRow['status'], string> = {
    open: `its deadline passed at ${at}`,
    answered: `${question.answeredBy ?? 'someone'} answered "${answer?.action ?? 'answer'}" at ${at}`,
    expired: `its deadline passed at ${at}${answer ? `, "${answer.action}" was taken` : ''}`,
    withdrawn: `it was withdrawn at ${at}`,
  };
  return new MeshError('QUESTION_CLOSED', `question ${question.id} is closed: ${outcomes[row.status]}`, {
    details: {
      questionId: question.id,
      outcome: row.status === 'open' ? 'expired' : row.status,
      ...(answer === undefined ? {} : { answer }),
      ...(question.answeredBy === undefined ? {} : { answeredBy: question.answeredBy }),
      closedAt: at,
    },
  });
}

function toRow(request: AskRequest, owner: RunRow, now: number): QuestionRow {
  const hasArguments = request.arguments !== undefined;
  return {
    question_id: request.questionId,
    run_id: request.runId,
    root_run_id: rootOf(owner),
    child_path: owner.path,
    generation: request.generation,
    call_id: request.callId ?? null,
    attempt: request.attempt ?? null,
    remote_question_id: request.remoteQuestionId ?? null,
    event: request.event?.toLowerCase() ?? null,
    prompt: request.prompt,
    schema: request.schema ? JSON.stringify(request.schema) : null,
    actions: JSON.stringify(request.actions),
    arguments: hasArguments ? JSON.stringify(request.arguments) : null,
    arguments_hash: hasArguments ? digest(request.arguments) : null,
    path: JSON.stringify(request.path),
    assignee: request.assignee ?? null,
    deadline_at: request.timeoutMs === undefined ? null : now + request.timeoutMs,
    on_deadline: request.onDeadline ? JSON.stringify(request.onDeadline) : null,
    escalation: JSON.stringify(request.escalation ?? []),
    escalated: 0,
    status: 'open',
    answer: null,
    answered_by: null,
    asked_at: now,
    closed_at: null,
    delivered_at: null,
  };
}

/**
 * A question that could not be shown or answered is refused before it is stored. What an agent asks is shown as it is:
 * the agent judges the answer.
 */
function checkQuestion(row: QuestionRow): void {
  const question = Question.safeParse(toQuestion(row));
  if (!question.success) {
    throw new MeshError('INVALID_ARGUMENT', `question ${row.question_id}: ${z.prettifyError(question.error)}`);
  }
  if (row.call_id !== null) return;
  if (question.data.schema) compileAnswerSchema(question.data.schema);
  const onDeadline = answerOf(row.on_deadline);
  if (onDeadline) checkAnswer(row, onDeadline);
}

type Closing = { status: 'answered' | 'expired' | 'withdrawn' } & Partial<QuestionRow>;

/** The compare-and-set of every outcome; undefined when another outcome was first. */
function* close(row: QuestionRow, closing: Closing): Unit<QuestionRow | undefined> {
  const closed = yield* first(
    query
      .updateTable('questions')
      .set(closing)
      .where('question_id', '=', row.question_id)
      .where('status', '=', 'open')
      .returningAll()
      .compile(),
  );
  if (!closed) return undefined;
  yield* countOpen(row, -1);
  yield* clearDeadline('question', row.question_id);
  yield* clearDeadline('escalation', row.question_id);
  return closed;
}

/** Tells who waits for the outcome: the workflow by an event, an agent through the watcher of its call. */
function* deliver(deps: InboxDeps, row: QuestionRow): Unit<void> {
  if (row.call_id === null) {
    yield* raiseEvent(deps.signals, row.run_id, eventNames.answer(row.question_id), outcomeOf(row));
  } else {
    yield* afterCommit(() => deps.signals.calls.emit());
  }
}

function outcomeOf(row: QuestionRow): { status: 'open' } | QuestionOutcome {
  const answer = answerOf(row.answer);
  switch (row.status) {
    case 'open':
    case 'withdrawn':
      return { status: row.status };
    case 'expired':
      return { status: 'expired', ...(answer ? { answer } : {}) };
    case 'answered':
      if (!answer) throw new MeshError('INTERNAL', `question ${row.question_id} is answered without an answer`);
      return { status: 'answered', answer, by: row.answered_by ?? '' };
    default:
      return row.status satisfies never;
  }
}

function* scheduleEscalation(deps: InboxDeps, row: QuestionRow): Unit<void> {
  const step = escalationOf(row)[row.escalated];
  if (!step) return;
  yield* setDeadline(deps.signals, {
    kind: 'escalation',
    ref: row.question_id,
    run_id: row.run_id,
    due_at: row.asked_at + step.afterMs,
  });
}

/** A root that has a child with an open question waits too. */
function* countOpen({ run_id, root_run_id }: QuestionRow, change: 1 | -1): Unit<void> {
  yield* run(
    query
      .updateTable('runs')
      .set((eb) => ({ open_questions: eb('open_questions', '+', change) }))
      .where('run_id', 'in', [run_id, root_run_id])
      .compile(),
  );
}

function* note(deps: InboxDeps, row: QuestionRow, type: NewTimelineEntry['type'], data: unknown): Unit<void> {
  const agent = row.call_id === null ? undefined : toQuestion(row).path.at(-1);
  yield* appendTimeline(deps.signals, row.run_id, {
    type,
    data,
    ...(row.call_id === null ? {} : { callId: row.call_id }),
    ...(row.attempt === null ? {} : { attempt: row.attempt }),
    ...(agent === undefined ? {} : { agent }),
  });
}
