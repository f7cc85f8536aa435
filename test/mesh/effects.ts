import { readStore, type Stores } from './read-store.ts';

/** What happened to posts, counted in the store of the agent that did it. */

const select = (mesh: Stores, sql: string, postId: string) => readStore(mesh, 'records', sql, postId);

export const posts = (mesh: Stores, postId: string) => select(mesh, 'SELECT * FROM posts WHERE post_id = ?', postId);

export const statusChanges = (mesh: Stores, postId: string) =>
  select(mesh, 'SELECT * FROM post_changes WHERE post_id = ? ORDER BY change_id', postId);

export const auditEntries = (mesh: Stores, postId: string) =>
  select(mesh, 'SELECT * FROM audit WHERE post_id = ? ORDER BY audit_id', postId);
