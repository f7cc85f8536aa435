import { Post, type SkillMap } from '@daca-mesh/agent-cards';
import { first, type Unit } from '@daca-mesh/protocol/server';
import { query } from '../records-tables.ts';

/** Reads a post; `null` where there is none. */
export function* readPost(postId: string): Unit<SkillMap['get-post']['output']> {
  const row = yield* first(query.selectFrom('posts').selectAll().where('post_id', '=', postId).compile());
  if (!row) return { post: null };
  return {
    post: Post.parse({
      postId: row.post_id,
      text: row.text,
      author: row.author,
      status: row.status,
      reason: row.reason,
      by: row.by,
      createdAt: new Date(row.created_at).toISOString(),
      updatedAt: new Date(row.updated_at).toISOString(),
    }),
  };
}
