import { MeshError, operatorRole } from '@daca-mesh/protocol';
import { type Caller, localCaller, meshCaller, workflowCaller } from '@daca-mesh/protocol/server';
import type { QuestionRow } from '../store/schema.ts';
import { approvalRuleOf, mayAnswerOf } from './inbox-question.ts';

/** Authenticated, but nobody's own: every process of the mesh has its token. */
const shared: ReadonlySet<string> = new Set([meshCaller, workflowCaller]);

/**
 * Who may answer. Where callers have tokens of their own, a question that names people or roles is for them and for
 * operators only; without such tokens everybody counts as an operator, since nobody can be told from others. Several
 * approvals need people that can be told from each other in any case.
 *
 * @throws MeshError `AUTHENTICATION_REQUIRED`, `NOT_ASSIGNED`.
 */
export function checkCaller(row: QuestionRow, { name, roles, authenticated }: Caller): void {
  const mayAnswer = mayAnswerOf(row);
  const details = { questionId: row.question_id, ...(mayAnswer.length === 0 ? {} : { mayAnswer }) };
  const required = approvalRuleOf(row)?.required ?? 1;
  if (required > 1 && (!authenticated || shared.has(name))) {
    throw new MeshError(
      'AUTHENTICATION_REQUIRED',
      `question ${row.question_id} needs ${required} people, each with a token of their own (MESH_PRINCIPALS)`,
      { details },
    );
  }
  if (mayAnswer.length === 0 || roles.includes(operatorRole)) return;
  // A name that nobody proved is only a claim.
  if (authenticated && mayAnswer.some((each) => each === name || roles.includes(each))) return;
  const message = `question ${row.question_id} is for ${mayAnswer.join(', ')}`;
  if (authenticated) throw new MeshError('NOT_ASSIGNED', `${message}, not for ${name}`, { details });
  throw new MeshError('AUTHENTICATION_REQUIRED', `${message}; who answers must say by a token who they are`, {
    details,
  });
}

/** On the user's own machine nobody has a name until he says so; whoever is known by a token cannot take another's. */
export const withClaimedName = (caller: Caller, name: string | undefined): Caller =>
  name !== undefined && caller.name === localCaller ? { ...caller, name } : caller;
