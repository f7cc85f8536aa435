import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { compileSchema } from './compile-schema.ts';
import { MeshError } from './mesh-error.ts';
import type { Answer, Question } from './question.ts';

/** One thing that is wrong with an answer; `path` leads into the answer: `value.amount`. */
interface AnswerViolation {
  path: string;
  message: string;
}

const maxViolations = 20;

/**
 * Compiles the schema of a question.
 * @throws MeshError `INVALID_ARGUMENT` when it is no JSON Schema, or refers to one that is not part of it.
 */
export function compileAnswerSchema(schema: Record<string, unknown>): ValidateFunction {
  try {
    return compileSchema(schema);
  } catch (cause) {
    const detail = cause instanceof Error ? `: ${cause.message}` : '';
    throw new MeshError('INVALID_ARGUMENT', `the schema of the question is no JSON Schema${detail}`, { cause });
  }
}

/**
 * Checks an answer against what its question allows: action, value, schema.
 * @throws MeshError `ANSWER_INVALID`; `details.violations` names every problem with its path.
 */
export function checkAnswer(question: Question, answer: Answer): void {
  if (!question.actions.includes(answer.action)) {
    throw invalid(question, [{ path: 'action', message: `must be one of ${question.actions.join(', ')}` }]);
  }
  const takesValue = answer.action === 'edit' || answer.action === 'answer';
  if (!takesValue) {
    if (answer.value === undefined) return;
    throw invalid(question, [{ path: 'value', message: `${answer.action} takes no value` }]);
  }
  if (answer.value === undefined && (answer.action === 'edit' || question.schema)) {
    throw invalid(question, [{ path: 'value', message: `${answer.action} needs a value` }]);
  }
  if (!question.schema || answer.value === undefined) return;
  const validate = compileAnswerSchema(question.schema);
  if (!validate(answer.value)) {
    throw invalid(question, (validate.errors ?? []).slice(0, maxViolations).map(toViolation));
  }
}

function toViolation(error: ErrorObject): AnswerViolation {
  const choices = error.keyword === 'enum' ? `: ${JSON.stringify(error.params['allowedValues'])}` : '';
  const unknownKey = error.keyword === 'additionalProperties' ? `: ${String(error.params['additionalProperty'])}` : '';
  return { path: toPath(error.instancePath), message: `${error.message ?? error.keyword}${choices}${unknownKey}` };
}

/** A JSON Pointer into the value as a path into the answer. */
const toPath = (pointer: string): string =>
  pointer
    .split('/')
    .slice(1)
    .map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key.replaceAll('~1', '/').replaceAll('~0', '~')}`))
    .reduce((path, step) => path + step, 'value');

function invalid(question: Question, violations: AnswerViolation[]): MeshError {
  const summary = violations.map(({ path, message }) => `${path} ${message}`).join('; ');
  return new MeshError('ANSWER_INVALID', `the answer does not fit question ${question.id}: ${summary}`, {
    details: { questionId: question.id, violations },
  });
}
