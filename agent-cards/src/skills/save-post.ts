import { z } from 'zod';
import { Actor, PostId, PostStatus, PostText } from '../post.ts';

/** Saves a post. A new one is pending; so is one whose text changes. The same text again changes nothing. */
export const savePost = {
  input: z.strictObject({ postId: PostId, text: PostText, author: Actor.optional() }),
  output: z.strictObject({ postId: PostId, status: PostStatus, created: z.boolean() }),
};
