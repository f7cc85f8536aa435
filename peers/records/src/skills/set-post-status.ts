import type { SkillMap } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { first, run, type Unit, writeOnce } from '@daca-mesh/protocol/server';
import { query } from '../records-tables.ts';

type Input = SkillMap['set-post-status']['input'];
type Output = SkillMap['set-post-status']['output'];

/**
 * Sets a post's status, and its text when it was edited; tells what was there before, so that it can be undone.
 * @throws MeshError `NOT_FOUND` where there is no such post.
 */
export const writePostStatus = (key: string, { postId, status, text, reason, by }: Input): Unit<Output> =>
  writeOnce(key, function* (at): Unit<Output> {
    const post = yield* first(
      query.selectFrom('posts').select(['status', 'text']).where('post_id', '=', postId).compile(),
    );
    if (!post) throw new MeshError('NOT_FOUND', `there is no post ${postId}`);
    yield* run(
      query
        .updateTable('posts')
        .set({ status, reason: reason ?? null, by: by ?? null, updated_at: at, ...(text !== undefined && { text }) })
        .where('post_id', '=', postId)
        .compile(),
    );
    yield* run(
      query
        .insertInto('post_changes')
        .values({ post_id: postId, previous: post.status, status, write_key: key, at })
        .compile(),
    );
    return {
      postId,
      status,
      // The column holds only what this agent wrote.
      previous: post.status as Output['previous'],
      ...(text !== undefined && text !== post.text && { previousText: post.text }),
    };
  });
