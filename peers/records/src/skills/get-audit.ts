import { AuditEntry, type SkillMap } from '@daca-mesh/agent-cards';
import { all, type Unit } from '@daca-mesh/protocol/server';
import { query } from '../records-tables.ts';

/** At most so many lines of a log are read at once: the newest. */
const maxLines = 1_000;

/** Reads the audit log of a post, oldest line first. */
export function* readAudit(postId: string): Unit<SkillMap['get-audit']['output']> {
  const rows = yield* all(
    query
      .selectFrom('audit')
      .selectAll()
      .where('post_id', '=', postId)
      .orderBy('audit_id', 'desc')
      .limit(maxLines)
      .compile(),
  );
  return {
    entries: rows.toReversed().map(toLine),
  };
}

const toLine = (row: { audit_id: number; entry: string; at: number }) => ({
  ...AuditEntry.parse(JSON.parse(row.entry)),
  auditId: String(row.audit_id),
  at: new Date(row.at).toISOString(),
});
