import type { SkillMap } from '@daca-mesh/agent-cards';
import { all, type Unit, writeOnce } from '@daca-mesh/protocol/server';
import { query } from '../records-tables.ts';

type Input = SkillMap['append-audit']['input'];
type Output = SkillMap['append-audit']['output'];

/** Appends a line to the audit log of a post. The log also takes lines about posts that were never saved. */
export const writeAuditEntry = (key: string, { postId, entry }: Input): Unit<Output> =>
  writeOnce(key, function* (at): Unit<Output> {
    const [line] = yield* all(
      query
        .insertInto('audit')
        .values({ post_id: postId, entry: JSON.stringify(entry), write_key: key, at })
        .returning('audit_id')
        .compile(),
    );
    return { auditId: String(line?.audit_id), postId };
  });
