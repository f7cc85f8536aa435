import { type Answer, type AnswerAction, MeshError } from '@daca-mesh/protocol';
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
  /** Who is asked next, and when. */
  escalation?: { after: Duration; assignee: string }[];
  /** A user-named event that answers it too; its payload is the value of an `answer`. */
  event?: string;
}

/** What was decided. The question's row is the only judge: late and second answers never arrive here. */
export type AskOutcome<V> =
  | { status: 'answered'; answer: Decided<V>; by: string }
  /** Nobody decided in time; `answer` is the one that was laid down for this case. */
  | { status: 'expired'; answer: Decided<V> | undefined };

/** An answer whose value was checked. */
type Decided<V> =
  | { action: 'approve' | 'reject'; reason?: string }
  | { action: 'edit' | 'answer'; value: V; reason?: string };

/** Asks and waits for the decision. */
export async function* ask<V>(run: Run, question: Ask<V>): Step<AskOutcome<V>> {
  const place = yield* run.enter();
  const { prompt, actions = ['approve', 'reject'], schema, deadline, escalation } = question;
  const verdict = yield* askQuestion(run, place, {
    prompt,
    actions,
    ...(schema ? { schema: z.toJSONSchema(schema, { io: 'input' }) } : {}),
    ...(question.arguments === undefined ? {} : { arguments: question.arguments }),
    ...(question.assignee === undefined ? {} : { assignee: question.assignee }),
    ...(deadline === undefined ? {} : { timeoutMs: toMs(deadline) }),
    ...(question.onDeadline === undefined ? {} : { onDeadline: question.onDeadline }),
    ...(escalation
      ? { escalation: escalation.map(({ after, assignee }) => ({ afterMs: toMs(after), assignee })) }
      : {}),
    ...(question.event === undefined ? {} : { event: question.event.toLowerCase() }),
  });
  if (verdict.status === 'expired') {
    return { status: 'expired', answer: verdict.answer && decided(verdict.answer, schema) };
  }
  return { status: 'answered', answer: decided(verdict.answer, schema), by: verdict.by };
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
