import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RunningMesh } from './mesh.ts';

/** A mesh whose stores can be read. */
export type Stores = Pick<RunningMesh, 'dataOf'>;

/** What a process has stored: rows of its database, opened read-only beside the running process. */
export function readStore(
  mesh: Stores,
  name: string,
  sql: string,
  ...values: (string | number)[]
): Record<string, unknown>[] {
  const file = name === 'coordinator' ? 'coordinator.db' : 'store.db';
  using database = new DatabaseSync(join(mesh.dataOf(name), file), { readOnly: true });
  return database.prepare(sql).all(...values);
}

/** The states of all tasks an agent has ever taken, in order. */
export const taskStates = (mesh: Stores, name: string): string[] =>
  readStore(mesh, name, 'SELECT state FROM tasks ORDER BY created_at').map(({ state }) => String(state));
