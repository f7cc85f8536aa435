import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Whose processes keep their data where. */
interface Mesh {
  dataOf(name: string): string;
}

/** Side effects, counted in the store of the agent that made them: opened read-only, beside the running process. */

function select(mesh: Mesh, sql: string, postId: string): Record<string, unknown>[] {
  const database = new DatabaseSync(join(mesh.dataOf('records'), 'store.db'), { readOnly: true });
  try {
    return database.prepare(sql).all(postId);
  } finally {
    database.close();
  }
}

export const posts = (mesh: Mesh, postId: string) => select(mesh, 'SELECT * FROM posts WHERE post_id = ?', postId);

export const statusChanges = (mesh: Mesh, postId: string) =>
  select(mesh, 'SELECT * FROM post_changes WHERE post_id = ? ORDER BY change_id', postId);

export const auditEntries = (mesh: Mesh, postId: string) =>
  select(mesh, 'SELECT * FROM audit WHERE post_id = ? ORDER BY audit_id', postId);
