import type { SkillMap } from '@daca-mesh/agent-cards';
import { first, run, type Unit, writeOnce } from '@daca-mesh/protocol/server';
import { query } from '../records-tables.ts';

type Input = SkillMap['save-post']['input'];
type Output = SkillMap['save-post']['output'];

/** Saves a post. A new one is pending, and so is one whose text changes; the same text again changes nothing. */
export const writePost = (key: string, { postId, text, author }: Input): Unit<Output> =>
  writeOnce(key, function* (at): Unit<Output> {
    const created = yield* run(
      query
        .insertInto('posts')
        .values({
          post_id: postId,
          text,
          author: author ?? null,
          status: 'pending',
          reason: null,
          by: null,
          created_at: at,
          updated_at: at,
        })
        .onConflict((conflict) => conflict.doNothing())
        .compile(),
    );
    if (created === 1) return { postId, status: 'pending', created: true };
    const changed = yield* run(
      query
        .updateTable('posts')
        .set({ text, status: 'pending', reason: null, by: null, updated_at: at })
        .where('post_id', '=', postId)
        .where('text', '<>', text)
        .compile(),
    );
    if (changed === 1) return { postId, status: 'pending', created: false };
    const post = yield* first(query.selectFrom('posts').select('status').where('post_id', '=', postId).compile());
    // The column holds only what this agent wrote.
    return { postId, status: (post?.status ?? 'pending') as Output['status'], created: false };
  });
