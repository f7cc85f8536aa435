import type { Message } from '@a2a-js/sdk';
import { z } from 'zod';
import { checkAnswer } from './check-answer.ts';
import { MeshError } from './mesh-error.ts';
import { dataOf, textOf } from './parts.ts';
import { Answer, type AnswerAction, type Question } from './question.ts';

/** How answers are written, shown to whoever writes one that is not understood. */
const allowedForms = [
  '{ "questionId"?, "action": "approve" | "reject" | "edit" | "answer", "value"?, "reason"? } as a data part',
  'approve [questionId]',
  'reject [questionId]: reason',
  'any other text, as the value of an answer that takes a string',
];

/** What {@link parseAnswer} needs to know beside the message. */
export interface ParseAnswerOptions {
  /** The questions open when the message was received. */
  open: readonly Question[];
  /**
   * Whether the task has had an earlier question. Then approve, reject and edit must name theirs, so that a late
   * approval never approves the next question.
   */
  hadEarlier: boolean;
}

/**
 * Reads a message as the answer to one of the open questions.
 * @throws MeshError `QUESTION_CLOSED` when it names none that is open, `QUESTION_ID_REQUIRED` when it must name one,
 * `ANSWER_INVALID` when its form, action or value does not fit.
 */
export function parseAnswer(message: Message, options: ParseAnswerOptions): { question: Question; answer: Answer } {
  const answer = answerOf(message, options.open);
  const question = findQuestion(answer, options);
  checkAnswer(question, answer);
  return { question, answer };
}

/** The forms in which an event decides a question. */
const EventDecision = z.strictObject({
  approved: z.boolean(),
  reason: Answer.shape.reason,
  by: z.string().min(1).max(200).optional(),
});
const EventAnswer = Answer.omit({ questionId: true }).extend({ by: EventDecision.shape.by });
type EventAnswer = z.infer<typeof EventAnswer>;
type Asked = Pick<Question, 'id' | 'actions'>;

/**
 * Reads the payload of an event as the answer to a question: `{ approved, by?, reason? }` or
 * `{ action, value?, by?, reason? }` where the question takes more than an `answer`; what is neither is the value of an
 * `answer`, where it takes one. Whether the question takes it is not checked here.
 * @throws MeshError `ANSWER_INVALID`.
 */
export function parseEventAnswer(question: Asked, payload: unknown): { answer: Answer; by?: string } {
  const { by, ...answer } = tryParseDecision(question, payload) ?? valueAnswer(question, payload);
  return { answer, ...(by === undefined ? {} : { by }) };
}

function tryParseDecision(question: Asked, payload: unknown): EventAnswer | undefined {
  // Whatever is sent to a question that only takes a value is that value.
  if (question.actions.every((action) => action === 'answer')) return undefined;
  const decision = EventDecision.safeParse(payload);
  if (!decision.success) return EventAnswer.safeParse(payload).data;
  const { approved, ...rest } = decision.data;
  return { action: approved ? 'approve' : 'reject', ...rest };
}

function valueAnswer(question: Asked, payload: unknown): EventAnswer {
  if (question.actions.includes('answer')) {
    return { action: 'answer', ...(payload === undefined || payload === null ? {} : { value: payload }) };
  }
  throw invalid(`the event's payload is no answer to question ${question.id}`, {
    questionId: question.id,
    violations: [{ path: 'payload', message: `must be ${eventForms}` }],
  });
}

const eventForms = '{ "approved": true | false, "by"?, "reason"? } or { "action", "value"?, "by"?, "reason"? }';

function answerOf(message: Message, open: readonly Question[]): Answer {
  const [data, ...more] = dataOf(message.parts);
  if (more.length > 0) throw invalid('an answer has one data part');
  if (data !== undefined) {
    const parsed = Answer.safeParse(data);
    if (!parsed.success) throw invalid('the data part is not an answer', { allowedForms });
    return parsed.data;
  }
  const text = textOf(message.parts).trim();
  if (text === '') throw invalid('the message holds no answer', { allowedForms });
  return answerOfText(text, open);
}

const approveForm = /^approve(?:\s+(?<id>\S+))?$/iu;
const rejectForm = /^reject(?:\s+(?<id>[^\s:]+))?(?:\s*:\s*(?<reason>[\s\S]*))?$/iu;

function answerOfText(text: string, open: readonly Question[]): Answer {
  const approve = approveForm.exec(text);
  const { id, reason } = (approve ?? rejectForm.exec(text))?.groups ?? {};
  const isForm = approve !== null || rejectForm.test(text);
  // "approve everything" is a sentence: only what looks like a question id makes it an approval.
  const isId = id === undefined || id.includes('-q') || open.some((question) => question.id === id);
  if (!isForm || !isId) return { action: 'answer', value: text };
  const action: AnswerAction = approve ? 'approve' : 'reject';
  return { action, ...(id && { questionId: id }), ...(reason && { reason }) };
}

function findQuestion(answer: Answer, { open, hadEarlier }: ParseAnswerOptions): Question {
  const openQuestions = open.map((question) => question.id);
  if (answer.questionId !== undefined) {
    const named = open.find((question) => question.id === answer.questionId);
    if (named) return named;
    throw new MeshError('QUESTION_CLOSED', 'this question is not open (any more)', {
      details: { questionId: answer.questionId, openQuestions },
    });
  }
  const [only, ...others] = open;
  if (!only) throw new MeshError('QUESTION_CLOSED', 'no question is open');
  if (others.length > 0 || (hadEarlier && answer.action !== 'answer')) {
    throw new MeshError('QUESTION_ID_REQUIRED', 'say which question this answers', { details: { openQuestions } });
  }
  return only;
}

const invalid = (message: string, details: Record<string, unknown> = {}): MeshError =>
  new MeshError('ANSWER_INVALID', message, { details });
