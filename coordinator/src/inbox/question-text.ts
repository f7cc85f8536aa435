import type { AnswerAction, Approvals, Question } from '@daca-mesh/protocol';
import type { InboxQuestion } from './inbox-question.ts';

/**
 * Questions in words, for people and agents that know nothing of structured questions: what is asked, what it is about,
 * and the exact texts that answer it over A2A.
 */

const maxArgumentsLength = 2_000;

/** The text of a status message: the oldest open question in full, then the others by their first line. */
export function questionsText([first, ...others]: readonly [InboxQuestion, ...InboxQuestion[]]): string {
  const sections = [first.prompt];
  if (first.arguments !== undefined) sections.push(`About: ${shorten(JSON.stringify(first.arguments))}`);
  sections.push(`How to answer: ${answerForms(first).join(' · ')}`);
  const terms = [
    ...(first.assignee === undefined ? [] : [`For ${first.assignee}.`]),
    ...(first.approvals === undefined ? [] : [approvalsText(first.approvals)]),
    ...(first.deadline === undefined ? [] : [`Until ${first.deadline}.`]),
    ...(first.reminded ? [`Reminder ${first.reminded} of ${first.reminders?.length ?? 0}.`] : []),
  ];
  if (terms.length > 0) sections.push(terms.join(' '));
  if (others.length > 0) {
    const lines = others.map((question) => `- ${question.id}: ${question.prompt.split('\n', 1)[0] ?? ''}`);
    sections.push(`Also open:\n${lines.join('\n')}`);
  }
  return sections.join('\n\n');
}

function approvalsText({ required, of, given, missing }: Approvals): string {
  const from = of === undefined ? '' : ` of ${of.join(', ')}`;
  const so = given.length === 0 ? '' : ` Approved by ${given.map(({ by }) => by).join(', ')}; ${missing} missing.`;
  return `Needs the approval of ${required}${from}; one rejection rejects it.${so}`;
}

/** How each allowed action is written, as text or as data. */
export const answerForms = (question: Question): string[] =>
  question.actions.map((action) => answerForm(question, action));

function answerForm(question: Question, action: AnswerAction): string {
  switch (action) {
    case 'approve':
      return `\`approve ${question.id}\``;
    case 'reject':
      return `\`reject ${question.id}: <reason>\``;
    case 'edit':
    case 'answer': {
      const form = JSON.stringify({ questionId: question.id, action, value: '…' });
      return question.schema?.['type'] === 'string' && action === 'answer'
        ? `your words, or data \`${form}\``
        : `data \`${form}\``;
    }
    default:
      return action satisfies never;
  }
}

const shorten = (text: string): string =>
  text.length <= maxArgumentsLength ? text : `${text.slice(0, maxArgumentsLength)}…`;
