import {
  Answer,
  type Approval,
  ApprovalRule,
  type Approvals,
  EscalationStep,
  Question,
  Reminder,
} from '@daca-mesh/protocol';
import { z } from 'zod';
import type { QuestionRow } from '../store/schema.ts';
import type { ChildRef } from '../store/timeline.ts';

/** A question of a run as the HTTP API, the console and the command line show it. */
export interface InboxQuestion extends Question {
  runId: string;
  /** The child that asks, where it is not the run itself. */
  child?: ChildRef;
  status: QuestionRow['status'];
  /** What was decided: by a person, or by the author of the question for the case that nobody answers. */
  answer?: Answer;
  answeredBy?: string;
  askedAt: string;
  closedAt?: string;
  /** When the answer reached the agent that asked; questions of the workflow itself have none. */
  deliveredAt?: string;
  /** The answer taken when the deadline passes; without it the question expires unanswered. */
  onDeadline?: Answer;
  /** When those who are asked are reminded, and how often that has happened. */
  reminders?: Reminder[];
  reminded?: number;
  /** Who is asked next while it stays open. */
  escalation?: EscalationStep[];
  /** People and roles; absent where everybody may answer. */
  mayAnswer?: string[];
}

const Schema = z.record(z.string(), z.unknown());
const { actions: Actions, path: Path } = Question.shape;
const Escalation = z.array(EscalationStep);
const Reminders = z.array(Reminder);
const Names = z.array(z.string());

/** The escalation steps of a row, the earliest first. */
export const escalationOf = (row: QuestionRow): EscalationStep[] => Escalation.parse(JSON.parse(row.escalation));

/** The reminders of a row, the earliest first. */
export const remindersOf = (row: QuestionRow): Reminder[] => Reminders.parse(JSON.parse(row.reminders));

/** The people and roles that may answer; none: everybody. */
export const mayAnswerOf = (row: QuestionRow): string[] => Names.parse(JSON.parse(row.may_answer));

/** How many must approve; undefined where one answer decides. */
export const approvalRuleOf = (row: QuestionRow): ApprovalRule | undefined =>
  row.approvals === null ? undefined : ApprovalRule.parse(JSON.parse(row.approvals));

/** The answer of a closed row, or what will be taken at the deadline. */
export const answerOf = (json: string | null): Answer | undefined =>
  json === null ? undefined : Answer.parse(JSON.parse(json));

export const isoTime = (at: number): string => new Date(at).toISOString();

/** What is asked, as it travels over A2A. @param given The approvals it has. */
export function toQuestion(row: QuestionRow, given: readonly Approval[] = []): Question {
  const approvals = toApprovals(row, given);
  return {
    id: row.question_id,
    prompt: row.prompt,
    actions: Actions.parse(JSON.parse(row.actions)),
    path: Path.parse(JSON.parse(row.path)),
    ...(row.schema === null ? {} : { schema: Schema.parse(JSON.parse(row.schema)) }),
    // Stored by `askQuestion` from a JSON value.
    ...(row.arguments === null ? {} : { arguments: JSON.parse(row.arguments) as unknown }),
    ...(row.arguments_hash === null ? {} : { argumentsHash: row.arguments_hash }),
    ...(row.assignee === null ? {} : { assignee: row.assignee }),
    ...(approvals === undefined ? {} : { approvals }),
    ...(row.deadline_at === null ? {} : { deadline: isoTime(row.deadline_at) }),
  };
}

function toApprovals(row: QuestionRow, given: readonly Approval[]): Approvals | undefined {
  const rule = approvalRuleOf(row);
  return rule && { ...rule, given: [...given], missing: Math.max(0, rule.required - given.length) };
}

/** The question with everything that happened to it. @param given The approvals it has. */
export function toInboxQuestion(row: QuestionRow, given: readonly Approval[] = []): InboxQuestion {
  const answer = answerOf(row.answer);
  const onDeadline = answerOf(row.on_deadline);
  const reminders = remindersOf(row);
  const escalation = escalationOf(row);
  const mayAnswer = mayAnswerOf(row);
  return {
    ...toQuestion(row, given),
    runId: row.root_run_id,
    ...(row.child_path === null ? {} : { child: { runId: row.run_id, path: row.child_path } }),
    status: row.status,
    askedAt: isoTime(row.asked_at),
    ...(answer === undefined ? {} : { answer }),
    ...(row.answered_by === null ? {} : { answeredBy: row.answered_by }),
    ...(row.closed_at === null ? {} : { closedAt: isoTime(row.closed_at) }),
    ...(row.delivered_at === null ? {} : { deliveredAt: isoTime(row.delivered_at) }),
    ...(onDeadline === undefined ? {} : { onDeadline }),
    ...(reminders.length === 0 ? {} : { reminders, reminded: row.reminded }),
    ...(escalation.length === 0 ? {} : { escalation }),
    ...(mayAnswer.length === 0 ? {} : { mayAnswer }),
  };
}
