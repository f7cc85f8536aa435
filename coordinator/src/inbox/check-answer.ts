import {
  type Answer,
  checkAnswer as checkAgainst,
  compileAnswerSchema,
  isMeshError,
  MeshError,
} from '@daca-mesh/protocol';
import type { QuestionRow } from '../store/schema.ts';
import { toQuestion } from './inbox-question.ts';
import { answerForms } from './question-text.ts';

/**
 * Checks an answer against what the row of its question allows.
 * @throws MeshError `ANSWER_INVALID`; `details` names every problem with its path, and the forms that are allowed.
 */
export function checkAnswer(row: QuestionRow, answer: Answer): void {
  const { schema, ...question } = toQuestion(row);
  try {
    checkAgainst({ ...question, ...(schema && isOurs(row, schema) && { schema }) }, answer);
  } catch (error) {
    if (!isMeshError(error) || error.code !== 'ANSWER_INVALID') throw error;
    const details = { ...error.details, forms: answerForms(toQuestion(row)) };
    throw new MeshError('ANSWER_INVALID', error.message, { details });
  }
}

/** An agent may publish a schema that we cannot read; it then judges the answer itself. */
function isOurs(row: QuestionRow, schema: Record<string, unknown>): boolean {
  if (row.call_id === null) return true;
  try {
    compileAnswerSchema(schema);
    return true;
  } catch {
    return false;
  }
}
