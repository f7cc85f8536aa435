import { z } from 'zod';
import { AuditEntry, PostId } from '../post.ts';

/** Appends a line to the audit log of a post. */
export const appendAudit = {
  input: z.strictObject({ postId: PostId, entry: AuditEntry }),
  output: z.strictObject({ auditId: z.string(), postId: PostId }),
};
