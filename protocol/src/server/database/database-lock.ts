import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { MeshError } from '../../mesh-error.ts';

/**
 * One process per database. Beside the file stands `<file>.lock`, an SQLite file held in exclusive locking mode: the
 * operating system frees it when the process dies, `kill -9` included. The pragma alone locks nothing, the empty
 * exclusive transaction does. The handle must stay referenced, since garbage collection closes it, and the holder must
 * never open the file by other means, since closing any descriptor of it drops the process's POSIX locks.
 *
 * @NOTE The sidecar package holds a twin of this file: it may not depend on this one.
 */
export function lockDatabase(path: string): Disposable {
  const holderPath = `${path}.lock.json`;
  const handle = new DatabaseSync(`${path}.lock`);
  try {
    handle.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
  } catch (cause) {
    handle.close();
    const holder = readHolder(holderPath);
    throw new MeshError('DATABASE_LOCKED', `${path} is in use by another process${holder}; stop it first`, { cause });
  }
  writeFileSync(holderPath, JSON.stringify({ pid: process.pid, since: new Date().toISOString() }));
  return { [Symbol.dispose]: () => handle.close() };
}

function readHolder(path: string): string {
  try {
    const holder: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof holder === 'object' && holder !== null && 'pid' in holder ? ` (pid ${String(holder.pid)})` : '';
  } catch {
    // The holder's note is a courtesy; without it the refusal stands all the same.
    return '';
  }
}
