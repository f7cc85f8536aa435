import { first, type Unit } from '@daca-mesh/protocol/server';
import { setDeadline } from '../deadlines/deadlines.ts';
import { query, type QuestionRow } from '../store/schema.ts';
import { viewQuestion } from './approvals.ts';
import { escalationOf, mayAnswerOf, remindersOf } from './inbox-question.ts';
import { noteQuestion } from './note-question.ts';
import { readQuestion } from './question-rows.ts';
import { type InboxDeps, showQuestions } from './show-questions.ts';

/**
 * What happens to a question while nobody answers: reminders, and others who are asked. The next step of each kind is a
 * row of the scheduler; how many were taken stands in the question's row, where a compare-and-set takes each once.
 */

/** Schedules the next reminder and the next escalation of a row. */
export function* scheduleSteps(deps: InboxDeps, row: QuestionRow): Unit<void> {
  yield* schedule(deps, row, 'reminder', remindersOf(row)[row.reminded]);
  yield* schedule(deps, row, 'escalation', escalationOf(row)[row.escalated]);
}

function* schedule(
  deps: InboxDeps,
  row: QuestionRow,
  kind: 'reminder' | 'escalation',
  step: { afterMs: number } | undefined,
): Unit<void> {
  if (!step) return;
  const { question_id: ref, run_id } = row;
  yield* setDeadline(deps.signals, { kind, ref, run_id, due_at: row.asked_at + step.afterMs });
}

/** Reminds those who are asked. @returns whether the question was open and had another reminder. */
export function* remindQuestion(deps: InboxDeps, questionId: string): Unit<boolean> {
  const row = yield* readQuestion(questionId);
  if (!row || row.reminded >= remindersOf(row).length) return false;
  const elapsedMs = Date.now() - row.asked_at;
  // Those that came due while nobody was there are one: else the first thing after an outage were a storm.
  const due = remindersOf(row).filter(({ afterMs }) => afterMs <= elapsedMs).length;
  const reminded = yield* takeStep(row, { reminded: Math.max(row.reminded + 1, due) });
  if (!reminded) return false;
  const { reminded: number, assignee } = reminded;
  const total = remindersOf(row).length;
  const event = { type: 'reminded', question: yield* viewQuestion(reminded), number, total } as const;
  const data = { questionId, number, total, ...(assignee === null ? {} : { assignee }) };
  yield* noteQuestion(deps, row, event, data);
  yield* schedule(deps, reminded, 'reminder', remindersOf(reminded)[number]);
  yield* showQuestions(deps, row.root_run_id);
  return true;
}

/**
 * Asks the next one in the row's escalation steps; who was asked before may still answer.
 * @returns whether the question was open and had another step.
 */
export function* escalateQuestion(deps: InboxDeps, questionId: string): Unit<boolean> {
  const row = yield* readQuestion(questionId);
  const step = row && escalationOf(row)[row.escalated];
  if (!row || !step) return false;
  const mayAnswer = mayAnswerOf(row);
  const escalated = yield* takeStep(row, {
    escalated: row.escalated + 1,
    assignee: step.assignee,
    // Nobody in the list: it was for everybody, and stays so.
    ...(mayAnswer.length === 0 ? {} : { may_answer: JSON.stringify([...new Set([...mayAnswer, step.assignee])]) }),
  });
  if (!escalated) return false;
  const from = row.assignee === null ? {} : { from: row.assignee };
  const event = { type: 'escalated', question: yield* viewQuestion(escalated), ...from } as const;
  yield* noteQuestion(deps, row, event, { questionId, assignee: step.assignee, ...from });
  yield* schedule(deps, escalated, 'escalation', escalationOf(escalated)[escalated.escalated]);
  yield* showQuestions(deps, row.root_run_id);
  return true;
}

/** The compare-and-set of a step; undefined when the question was closed, or the step taken. */
const takeStep = (row: QuestionRow, changes: Partial<QuestionRow>): Unit<QuestionRow | undefined> =>
  first(
    query
      .updateTable('questions')
      .set(changes)
      .where('question_id', '=', row.question_id)
      .where('status', '=', 'open')
      .where('escalated', '=', row.escalated)
      .where('reminded', '=', row.reminded)
      .returningAll()
      .compile(),
  );
