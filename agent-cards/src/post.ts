import { z } from 'zod';

/** The id of a post, chosen by whoever saves it first. */
export const PostId = z.string().min(1).max(200);

/** The text of a post. */
export const PostText = z.string().min(1).max(100_000);

/** A person or system that did something. */
export const Actor = z.string().min(1).max(200);

/** Why something was done. */
export const Reason = z.string().min(1).max(10_000);

/** Where a post stands. A new one is pending. */
export const PostStatus = z.enum(['pending', 'approved', 'rejected', 'edited']);

/** A post as it is kept. */
export const Post = z.strictObject({
  postId: PostId,
  text: z.string(),
  author: z.string().nullable(),
  status: PostStatus,
  /** Why it has this status, and who gave it. */
  reason: z.string().nullable(),
  by: z.string().nullable(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});

/** One line of the audit log, as it is written. */
export const AuditEntry = z.strictObject({
  action: z.string().min(1).max(200),
  by: Actor.optional(),
  reason: Reason.optional(),
  runId: z.string().min(1).max(64).optional(),
  scores: z.record(z.string(), z.number().min(0).max(1)).optional(),
});
