import type { SkillMap } from '@daca-mesh/agent-cards';
import { all, type Unit } from '@daca-mesh/protocol/server';
import { query } from '../records-tables.ts';

type Output = SkillMap['get-errors']['output'];

/** The error log of one run, or the last lines about all, the newest first. */
export function* readErrors({ runId, limit }: { runId?: string | undefined; limit: number }): Unit<Output> {
  const newest = query.selectFrom('run_errors').selectAll().orderBy('error_id', 'desc').limit(limit);
  const rows = yield* all((runId === undefined ? newest : newest.where('run_id', '=', runId)).compile());
  return {
    errors: rows.map((row) => ({
      errorId: String(row.error_id),
      runId: row.run_id,
      workflow: row.workflow,
      code: row.code,
      message: row.message,
      at: new Date(row.at).toISOString(),
    })),
  };
}
