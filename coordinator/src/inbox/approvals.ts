import { type Approval, MeshError } from '@daca-mesh/protocol';
import { all, run, type Unit } from '@daca-mesh/protocol/server';
import { query, type QuestionRow } from '../store/schema.ts';
import { type InboxQuestion, isoTime, toInboxQuestion } from './inbox-question.ts';

/**
 * Approvals of questions that need several people. Inserting the row decides: one per question and principal, so nobody
 * counts twice, and what was given survives whatever happens before the last one comes.
 */

/** Stores an approval. @throws MeshError `ALREADY_APPROVED`. */
export function* addApproval(row: QuestionRow, by: string, reason: string | undefined): Unit<Approval> {
  const at = Date.now();
  const inserted = yield* run(
    query
      .insertInto('question_approvals')
      .values({ question_id: row.question_id, principal: by, run_id: row.run_id, at, reason: reason ?? null })
      .onConflict((conflict) => conflict.columns(['question_id', 'principal']).doNothing())
      .compile(),
  );
  if (inserted > 0) return { by, at: isoTime(at), ...(reason === undefined ? {} : { reason }) };
  throw new MeshError('ALREADY_APPROVED', `${by} has approved question ${row.question_id} already`, {
    details: { questionId: row.question_id, by },
  });
}

/** The approvals of questions, the earliest first; a question that has none is missing. */
function* readApprovals(questionIds: readonly string[]): Unit<ReadonlyMap<string, Approval[]>> {
  const given = new Map<string, Approval[]>();
  if (questionIds.length === 0) return given;
  const rows = yield* all(
    query
      .selectFrom('question_approvals')
      .selectAll()
      .where('question_id', 'in', [...questionIds])
      .orderBy('at')
      .orderBy('principal')
      .compile(),
  );
  for (const { question_id: id, principal, at, reason } of rows) {
    const approval = { by: principal, at: isoTime(at), ...(reason === null ? {} : { reason }) };
    given.set(id, [...(given.get(id) ?? []), approval]);
  }
  return given;
}

/** The approvals of one question; undefined where it needs none. */
export function* approvalsOf(row: QuestionRow): Unit<Approval[] | undefined> {
  if (row.approvals === null) return undefined;
  return (yield* readApprovals([row.question_id])).get(row.question_id) ?? [];
}

/** Questions with their approvals. */
export function* viewQuestions(rows: readonly QuestionRow[]): Unit<InboxQuestion[]> {
  const needing = rows.flatMap((row) => (row.approvals === null ? [] : [row.question_id]));
  const given = yield* readApprovals(needing);
  return rows.map((row) => toInboxQuestion(row, given.get(row.question_id)));
}

/** A question with its approvals. */
export function* viewQuestion(row: QuestionRow): Unit<InboxQuestion> {
  return toInboxQuestion(row, yield* approvalsOf(row));
}
