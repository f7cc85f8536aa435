import { createHash } from 'node:crypto';
import type { Part } from '@a2a-js/sdk';
import { extensionUris } from '../../extensions.ts';
import { digest } from '../../ids.ts';
import { dataPart, textPart } from '../../parts.ts';
import type { Question } from '../../question.ts';
import type { AskQuestion } from '../skill.ts';
import type { TaskHead } from '../store/task-store.ts';

/** A question with its id, hash and deadline filled in. The id is the same when the same turn asks again. */
export function toQuestion(asked: AskQuestion, head: TaskHead, deadlineAtMs: number | null): Question {
  return {
    id: asked.id ?? questionId(head),
    prompt: asked.prompt,
    actions: asked.actions ?? ['answer'],
    path: asked.path ?? [],
    ...(asked.schema && { schema: asked.schema }),
    ...(asked.arguments !== undefined && { arguments: asked.arguments, argumentsHash: digest(asked.arguments) }),
    ...(asked.assignee !== undefined && { assignee: asked.assignee }),
    ...(deadlineAtMs !== null && { deadline: new Date(deadlineAtMs).toISOString() }),
  };
}

function questionId(head: TaskHead): string {
  const hash = createHash('sha256').update(`${head.id}\n${head.asked}`).digest('hex');
  return `${head.id}-q${hash.slice(0, 12)}`;
}

/**
 * The status message of an open question: readable text with the forms an answer may take, the question as a data part,
 * and the same under the `question` extension for programs.
 */
export function questionMessage(question: Question): { parts: Part[]; metadata: Record<string, unknown> } {
  return {
    parts: [textPart(questionText(question)), dataPart(question)],
    metadata: { [extensionUris.question]: question },
  };
}

function questionText({ id, prompt, actions, deadline }: Question): string {
  const forms: Record<Question['actions'][number], string> = {
    approve: `"approve ${id}"`,
    reject: `"reject ${id}: reason"`,
    edit: 'a data part { "action": "edit", "value": … }',
    answer: 'your answer as text, or a data part { "action": "answer", "value": … }',
  };
  const how = `Reply with ${actions.map((action) => forms[action]).join(', or ')}.`;
  return deadline === undefined ? `${prompt}\n\n${how}` : `${prompt}\n\n${how} Open until ${deadline}.`;
}
