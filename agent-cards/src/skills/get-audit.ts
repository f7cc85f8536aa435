import { z } from 'zod';
import { AuditEntry, PostId } from '../post.ts';

/** Reads the audit log of a post, oldest line first. */
export const getAudit = {
  input: z.strictObject({ postId: PostId }),
  output: z.strictObject({
    entries: z.array(AuditEntry.extend({ auditId: z.string(), at: z.iso.datetime() })),
  }),
};
