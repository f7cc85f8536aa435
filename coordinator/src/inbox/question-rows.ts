import { type Answer, type Approval, compileAnswerSchema, digest, MeshError, Question } from '@daca-mesh/protocol';
import { first, run, type Unit } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import { clearDeadline } from '../deadlines/deadlines.ts';
import { rootOf } from '../runs/run-rows.ts';
import { query, type QuestionRow, type RunRow } from '../store/schema.ts';
import type { QuestionOutcome, QuestionRequest } from '../workflow-kit/contract.ts';
import { checkAnswer } from './check-answer.ts';
import { answerOf, approvalRuleOf, escalationOf, remindersOf, toInboxQuestion, toQuestion } from './inbox-question.ts';

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

/** A question's row, or undefined. */
export const readQuestion = (questionId: string): Unit<QuestionRow | undefined> =>
  first(query.selectFrom('questions').selectAll().where('question_id', '=', questionId).compile());

/** The row of a question that opens now. */
export function toRow(request: AskRequest, owner: RunRow, now: number): QuestionRow {
  const hasArguments = request.arguments !== undefined;
  const { assignee, approvals } = request;
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
    assignee: assignee ?? null,
    deadline_at: request.timeoutMs === undefined ? null : now + request.timeoutMs,
    on_deadline: request.onDeadline ? JSON.stringify(request.onDeadline) : null,
    escalation: JSON.stringify(inTime(request.escalation)),
    escalated: 0,
    reminders: JSON.stringify(inTime(request.reminders)),
    reminded: 0,
    may_answer: JSON.stringify(approvals?.of ?? (assignee === undefined ? [] : [assignee])),
    approvals: approvals ? JSON.stringify(approvals) : null,
    status: 'open',
    answer: null,
    answered_by: null,
    asked_at: now,
    closed_at: null,
    delivered_at: null,
  };
}

const inTime = <Step extends { afterMs: number }>(steps: readonly Step[] = []): Step[] =>
  steps.toSorted((one, other) => one.afterMs - other.afterMs);

/** The last moment that a date can tell (ECMAScript, section 21.4.1.1). */
const lastDateMs = 8_640_000_000_000_000;

/** More would be noise. */
const maxSteps = 50;

/**
 * A question that could not be shown or answered is refused before it is stored. What an agent asks is shown as it is:
 * the agent judges the answer.
 * @throws MeshError `INVALID_ARGUMENT`, `ANSWER_INVALID` for a default that the question would not take.
 */
export function checkQuestion(row: QuestionRow): void {
  const refuse = (why: string): never => {
    throw new MeshError('INVALID_ARGUMENT', `question ${row.question_id}: ${why}`);
  };
  if (row.deadline_at !== null && row.deadline_at > lastDateMs) refuse('its deadline is beyond every date');
  try {
    const { schema } = Question.parse(toQuestion(row));
    const steps = [...remindersOf(row), ...escalationOf(row)];
    if (steps.length > maxSteps) refuse(`it has more than ${maxSteps} reminders and escalation steps`);
    if (row.call_id !== null) return;
    if (schema) compileAnswerSchema(schema);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    refuse(z.prettifyError(error));
  }
  checkApprovals(row, refuse);
  const onDeadline = answerOf(row.on_deadline);
  if (onDeadline) checkAnswer(row, onDeadline);
}

/** Several people can agree to what is there; they cannot each give a value of their own. */
function checkApprovals(row: QuestionRow, refuse: (why: string) => never): void {
  const rule = approvalRuleOf(row);
  if (!rule) return;
  const { actions } = toQuestion(row);
  if (!actions.includes('approve')) refuse('it needs approvals and cannot be approved');
  if (rule.required === 1) return;
  const others = actions.filter((action) => action === 'edit' || action === 'answer');
  if (others.length > 0) refuse(`it needs ${rule.required} approvals, so it cannot take ${others.join(' and ')}`);
}

/** How a question ends. */
export type Closing = { status: 'answered' | 'expired' | 'withdrawn' } & Partial<QuestionRow>;

/** The compare-and-set of every outcome; undefined when another outcome was first. */
export function* closeQuestion(row: QuestionRow, closing: Closing): Unit<QuestionRow | undefined> {
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
  for (const kind of ['question', 'escalation', 'reminder'] as const) yield* clearDeadline(kind, row.question_id);
  return closed;
}

/** A root that has a child with an open question waits too. */
export function* countOpen({ run_id, root_run_id }: QuestionRow, change: 1 | -1): Unit<void> {
  yield* run(
    query
      .updateTable('runs')
      .set((eb) => ({ open_questions: eb('open_questions', '+', change) }))
      .where('run_id', 'in', [run_id, root_run_id])
      .compile(),
  );
}

/** What a row says to who asked. @param given The approvals it has; undefined where it needs none. */
export function outcomeOf(row: QuestionRow, given: Approval[] | undefined): { status: 'open' } | QuestionOutcome {
  const answer = answerOf(row.answer);
  const approvals = given ? { approvals: given } : {};
  switch (row.status) {
    case 'open':
    case 'withdrawn':
      return { status: row.status };
    case 'expired':
      return { status: 'expired', ...(answer ? { answer } : {}), ...approvals };
    case 'answered':
      if (!answer) throw new MeshError('INTERNAL', `question ${row.question_id} is answered without an answer`);
      return { status: 'answered', answer, by: row.answered_by ?? '', ...approvals };
    default:
      return row.status satisfies never;
  }
}

/** Why a question takes no answer any more, with what was decided. */
export function closedError(row: QuestionRow): MeshError {
  const question = toInboxQuestion(row);
  const at = question.closedAt ?? question.deadline ?? '';
  const { answer } = question;
  const outcomes: Record<QuestionRow['status'], string> = {
    open: `its deadline passed at ${at}`,
    answered: `${question.answeredBy ?? 'someone'} answered "${nameOf(answer)}" at ${at}`,
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

const nameOf = (answer: Answer | undefined): string => answer?.action ?? 'answer';
