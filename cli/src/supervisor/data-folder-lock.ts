import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { MeshError } from '@daca-mesh/protocol';
import { tryReadMeshState } from '../mesh-state.ts';

/**
 * One supervisor per data folder, by an SQLite file in exclusive locking mode: the operating system frees it with the
 * process, `kill -9` included. Keep the handle referenced, since garbage collection frees the lock.
 *
 * @NOTE The databases of the agents are locked in the same way by `protocol/src/server/database/database-lock.ts`,
 * which the command line does not import: it would load a whole agent server with it.
 */
export function lockDataFolder(dataFolder: string): Disposable {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const handle = new DatabaseSync(join(dataFolder, 'mesh.lock'));
  try {
    // The pragma alone locks nothing.
    handle.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
  } catch (cause) {
    handle.close();
    const pid = tryReadMeshState(dataFolder)?.pid;
    throw new MeshError(
      'DATABASE_LOCKED',
      `a mesh already runs on ${dataFolder}${pid === undefined ? '' : ` (pid ${pid})`}: ` +
        'use it, stop it, or start another one with --data FOLDER --port N',
      { cause },
    );
  }
  return { [Symbol.dispose]: () => handle.close() };
}
