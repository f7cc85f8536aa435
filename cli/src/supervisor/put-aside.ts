import { existsSync, renameSync } from 'node:fs';

/** What SQLite keeps beside a database belongs to it. It goes first: left behind, it would be taken for that of a new one. */
const suffixes = ['-shm', '-wal', ''];

/**
 * Renames a folder or a database, if there is one, to `<path>.<time>`: nobody finds it there, and nothing is lost.
 * Returns the new path.
 */
export function putAside(path: string): string[] {
  if (!existsSync(path)) return [];
  const aside = `${path}.${new Date().toISOString().replaceAll(':', '')}`;
  for (const suffix of suffixes) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  return [aside];
}
