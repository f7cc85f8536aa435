import { MeshError } from '@daca-mesh/protocol';
import { all, type Unit } from '@daca-mesh/protocol/server';
import { sql } from 'kysely';
import { z } from 'zod';
import { query, type QuestionRow } from '../store/schema.ts';
import { viewQuestion, viewQuestions } from './approvals.ts';
import type { InboxQuestion } from './inbox-question.ts';
import { readQuestion } from './question-rows.ts';

/** Which questions {@link listQuestions} returns. */
export interface QuestionFilter {
  status?: QuestionRow['status'] | undefined;
  runId?: string | undefined;
  /** Only those that name one of these people and roles among who may answer. */
  mayAnswer?: readonly string[] | undefined;
  limit: number;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
}

/** A page of questions, the newest first. */
export interface QuestionPage {
  questions: InboxQuestion[];
  nextCursor: string | null;
}

/** Reads a page of questions. */
export function* listQuestions(filter: QuestionFilter): Unit<QuestionPage> {
  let select = query.selectFrom('questions').selectAll();
  if (filter.status !== undefined) select = select.where('status', '=', filter.status);
  if (filter.runId !== undefined) {
    const { runId } = filter;
    select = select.where((eb) => eb.or([eb('root_run_id', '=', runId), eb('run_id', '=', runId)]));
  }
  if (filter.mayAnswer !== undefined) {
    const names = [...filter.mayAnswer];
    select = select.where((eb) =>
      eb.exists(
        eb
          .selectFrom(sql<{ value: string }>`json_each(questions.may_answer)`.as('each'))
          .selectAll()
          .where('each.value', 'in', names),
      ),
    );
  }
  if (filter.cursor !== undefined) {
    const [askedAt, questionId] = parseCursor(filter.cursor);
    select = select.where((eb) =>
      eb.or([eb('asked_at', '<', askedAt), eb.and([eb('asked_at', '=', askedAt), eb('question_id', '<', questionId)])]),
    );
  }
  const rows = yield* all(
    select
      .orderBy('asked_at', 'desc')
      .orderBy('question_id', 'desc')
      .limit(filter.limit + 1)
      .compile(),
  );
  const page = rows.slice(0, filter.limit);
  const last = page.at(-1);
  const nextCursor = last && rows.length > page.length ? toCursor(last) : null;
  return { questions: yield* viewQuestions(page), nextCursor };
}

/**
 * Reads one question.
 * @throws MeshError `QUESTION_NOT_FOUND`.
 */
export function* getQuestion(questionId: string): Unit<InboxQuestion> {
  const row = yield* readQuestion(questionId);
  if (!row) throw new MeshError('QUESTION_NOT_FOUND', `there is no question ${questionId}`);
  return yield* viewQuestion(row);
}

const Cursor = z.tuple([z.int(), z.string()]);

const toCursor = (row: QuestionRow): string =>
  Buffer.from(JSON.stringify([row.asked_at, row.question_id])).toString('base64url');

function parseCursor(cursor: string): z.infer<typeof Cursor> {
  try {
    return Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
  } catch (cause) {
    throw new MeshError('INVALID_ARGUMENT', 'cursor is not one that this server gave out', {
      cause,
      details: { violations: [{ path: 'cursor', message: 'take it from nextCursor, or leave it out' }] },
    });
  }
}
