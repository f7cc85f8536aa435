import { MeshError } from '@daca-mesh/protocol';
import { all, type Unit } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import { query, type RunStatus } from '../store/schema.ts';
import { type Run, toRun } from './run-view.ts';

/** Which runs to list. */
export interface RunFilter {
  status?: RunStatus | undefined;
  workflow?: string | undefined;
  /** The children of this run instead: everything below it. Without it no children are listed. */
  root?: string | undefined;
  /** 1 to 500, 50 by default. */
  limit?: number | undefined;
  /** `nextCursor` of the page before. */
  cursor?: string | undefined;
}

/** A page of runs, the newest first. */
export interface RunPage {
  runs: Run[];
  nextCursor: string | null;
}

const Cursor = z.tuple([z.number(), z.string()]);

/** One page of runs. @throws MeshError `INVALID_ARGUMENT` for a cursor that is none. */
export function* listRuns(filter: RunFilter): Unit<RunPage> {
  const limit = Math.min(Math.max(filter.limit ?? 50, 1), 500);
  let rows = query.selectFrom('runs').selectAll().orderBy('created_at', 'desc').orderBy('run_id', 'desc');
  rows =
    filter.root === undefined ? rows.where('root_run_id', 'is', null) : rows.where('root_run_id', '=', filter.root);
  if (filter.workflow !== undefined) rows = rows.where('workflow', '=', filter.workflow);
  if (filter.cursor !== undefined) {
    const [createdAt, runId] = parseCursor(filter.cursor);
    rows = rows.where((eb) =>
      eb.or([eb('created_at', '<', createdAt), eb.and([eb('created_at', '=', createdAt), eb('run_id', '<', runId)])]),
    );
  }
  if (filter.status !== undefined) rows = withStatus(rows, filter.status);
  const found = yield* all(rows.limit(limit + 1).compile());
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return {
    runs: page.map(toRun),
    nextCursor: found.length > limit && last ? toCursor([last.created_at, last.run_id]) : null,
  };
}

const allRuns = () => query.selectFrom('runs').selectAll();
type RunQuery = ReturnType<typeof allRuns>;

/** The conditions behind `runStatus`, as a query. */
function withStatus(rows: RunQuery, status: RunStatus): RunQuery {
  const live = rows.where('status', 'in', ['pending', 'running']);
  switch (status) {
    case 'completed':
    case 'failed':
    case 'canceled':
    case 'stalled':
      return rows.where('status', '=', status);
    case 'canceling':
      return live.where('canceling', '<>', 0);
    case 'suspended':
      return live.where('canceling', '=', 0).where('suspended', '<>', 0);
    case 'waiting':
      return live.where('canceling', '=', 0).where('suspended', '=', 0).where('open_questions', '>', 0);
    case 'pending':
    case 'running':
      return rows
        .where('status', '=', status)
        .where('canceling', '=', 0)
        .where('suspended', '=', 0)
        .where('open_questions', '=', 0);
    default:
      return status satisfies never;
  }
}

const toCursor = (position: z.infer<typeof Cursor>): string =>
  Buffer.from(JSON.stringify(position)).toString('base64url');

function parseCursor(cursor: string): z.infer<typeof Cursor> {
  try {
    return Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch (cause) {
    throw new MeshError('INVALID_ARGUMENT', 'the cursor is none of this list', { details: { path: 'cursor' }, cause });
  }
}
