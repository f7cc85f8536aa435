import { type Answer, type AnswerAction, type Approval, type ApprovalRule, MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import { askQuestion } from './ask-question.ts';
import { type Duration, toMs } from './duration.ts';
import type { Step } from './orchestration.ts';
import type { Run } from './run.ts';

/** A question to a person or system. */
export interface Ask<V> {
  prompt: string;
  /** What may be done with it; default `approve` and `reject`. */
  actions?: AnswerAction[];
  /** What the value of an `edit` or `answer` must fit. */
  schema?: z.ZodType<V>;
  /** What is to be decided about, shown to the one who decides. */
  arguments?: unknown;
  /** Who is asked first: a person or a role. */
  assignee?: string;
  /** Without it the question waits as long as it takes. */
  deadline?: Duration;
  /** The answer taken at the deadline. Without it the outcome is `expired` and the workflow decides. */
  onDeadline?: Answer;
  /** When those who are asked are reminded, after it was asked. */
  reminders?: { after: Duration }[];
  /** Who is asked next, and when. Who was asked before may still answer. */
  escalation?: { after: Duration; assignee: string }[];
  /**
   * How many different people must approve, and who they may be (people or roles). One reject ends it. More than one
   * needs callers with a token of their own, and takes no other actions than `approve` and `reject`.
   */
  approvals?: ApprovalRule;
  /**
   * A user-named event that answers it too: by `{ approved, by?, reason? }` or `{ action, value?, by?, reason? }`, or, where
   * an `answer` is taken, by a payload that is its value.
   */
  event?: string;
}

/**
 * What was decided. The question's row is the only judge: late and second answers never arrive here. `approvals` are those
 * of a question with `approvals`, also where others were missing; else none.
 */
export type AskOutcome<V> =
  | { status: 'answered'; answer: Decided<V>; by: string; approvals: Approval[] }
  /** Nobody decided in time; `answer` is the one that was laid down for this case. */
  | { status: 'expired'; answer: Decided<V> | undefined; approvals: Approval[] };

/** An answer whose value was checked. */
type Decided<V> =
  | { action: 'approve' | 'reject'; reason?: string }
  | { action: 'edit' | 'answer'; value: V; reason?: string };

/** Asks and waits for the decision. */
export async function* ask<V>(run: Run, question: Ask<V>): Step<AskOutcome<V>> {
  const place = yield* run.enter();
  const { prompt, actions = ['approve', 'reject'], schema, deadline, reminders, escalation } = question;
  const verdict = yield* askQuestion(run, place, {
    prompt,
    actions,
    ...(schema ? { schema: z.toJSONSchema(schema, { io: 'input' }) } : {}),
    ...(question.arguments === undefined ? {} : { arguments: question.arguments }),
    ...(question.assignee === undefined ? {} : { assignee: question.assignee }),
    ...(deadline === undefined ? {} : { timeoutMs: toMs(deadline) }),
    ...(question.onDeadline === undefined ? {} : { onDeadline: question.onDeadline }),
    ...(reminders ? { reminders: reminders.map(({ after }) => ({ afterMs: toMs(after) })) } : {}),
    ...(escalation
      ? { escalation: escalation.map(({ after, assignee }) => ({ afterMs: toMs(after), assignee })) }
      : {}),
    ...(question.approvals === undefined ? {} : { approvals: question.approvals }),
    ...(question.event === undefined ? {} : { event: question.event.toLowerCase() }),
  });
  const { approvals = [] } = verdict;
  if (verdict.status === 'expired') {
    return { status: 'expired', answer: verdict.answer && decided(verdict.answer, schema), approvals };
  }
  return { status: 'answered', answer: decided(verdict.answer, schema), by: verdict.by, approvals };
}

function decided<V>({ action, value, reason }: Answer, schema: z.ZodType<V> | undefined): Decided<V> {
  const why = reason === undefined ? {} : { reason };
  if (action === 'approve' || action === 'reject') return { action, ...why };
  const parsed = schema?.safeParse(value);
  if (parsed && !parsed.success) {
    throw new MeshError('ANSWER_INVALID', 'the answer does not fit', { details: { issues: parsed.error.issues } });
  }
  // Without a schema the author did not say what V is, so it is unknown.
  return { action, value: parsed ? parsed.data : (value as V), ...why };
}
