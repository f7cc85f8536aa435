import { z } from 'zod';
import { Post, PostId } from '../post.ts';

/** Reads a post. */
export const getPost = {
  input: z.strictObject({ postId: PostId }),
  output: z.strictObject({ post: Post.nullable() }),
};
