import { z } from 'zod';
import { Actor, PostId, PostStatus, PostText, Reason } from '../post.ts';

/** Sets the status of a post, and its text when it was edited; tells what was there before, so that it can be undone. */
export const setPostStatus = {
  input: z.strictObject({
    postId: PostId,
    status: PostStatus,
    text: PostText.optional(),
    reason: Reason.optional(),
    by: Actor.optional(),
  }),
  output: z.strictObject({
    postId: PostId,
    status: PostStatus,
    previous: PostStatus,
    /** The text before; only where it was changed. */
    previousText: z.string().optional(),
  }),
};
