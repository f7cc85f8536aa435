import type { Approval } from '@daca-mesh/protocol';
import type { Unit } from '@daca-mesh/protocol/server';
import type { InboxQuestion } from './inbox-question.ts';

/**
 * What happens to questions. A listener is called in the commit that stores it, so that what it writes (an event to be
 * published, say) is there exactly when the change of the question is.
 */
export type QuestionEvent =
  | { type: 'asked'; question: InboxQuestion }
  /** `number` of `total` reminders. */
  | { type: 'reminded'; question: InboxQuestion; number: number; total: number }
  /** `question.assignee` is who is asked now; `from` who was asked before. */
  | { type: 'escalated'; question: InboxQuestion; from?: string }
  /** One of several approvals; more are needed, or `answered` follows. */
  | { type: 'approved'; question: InboxQuestion; approval: Approval }
  | { type: 'answered' | 'expired'; question: InboxQuestion }
  | { type: 'withdrawn'; question: InboxQuestion; reason?: string };

/** Joins the commit of what happens to a question. */
export type QuestionListener = (event: QuestionEvent) => Unit<void>;
