import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import { replaceFile } from './replace-file.ts';

/** `starting` until it listens, `backoff` while it waits to be started again, `down` until `mesh restart`. */
export const ProcessStatus = z.enum(['starting', 'ready', 'backoff', 'down', 'stopped']);
export type ProcessStatus = z.infer<typeof ProcessStatus>;

/** A process of the mesh as `mesh ps --json` shows it. */
export const ProcessInfo = z.object({
  name: z.string(),
  /** null while it does not run. */
  pid: z.number().int().nullable(),
  /** Its origin; null until it first listened, and for one that has no address for users. */
  url: z.string().nullable(),
  status: ProcessStatus,
  /** How often it was started again. */
  restarts: z.number().int(),
});
export type ProcessInfo = z.infer<typeof ProcessInfo>;

/**
 * What a running `mesh up` says about itself in `<data>/mesh.json`: written atomically at every change, readable by
 * its owner only (it holds the control token), removed at an orderly end.
 */
export const MeshState = z.object({
  /** Of `mesh up` itself. */
  pid: z.number().int(),
  startedAt: z.string(),
  /** The coordinator's origin; null where the mesh has none or it never listened. */
  url: z.string().nullable(),
  control: z.object({ url: z.string(), token: z.string() }),
  processes: z.array(ProcessInfo),
});
export type MeshState = z.infer<typeof MeshState>;

const statePath = (dataFolder: string): string => join(dataFolder, 'mesh.json');

/** Reads the state of a data folder; undefined where there is none. */
export function tryReadMeshState(dataFolder: string): MeshState | undefined {
  let text: string;
  try {
    text = readFileSync(statePath(dataFolder), 'utf8');
  } catch {
    return undefined;
  }
  try {
    return MeshState.parse(JSON.parse(text));
  } catch (cause) {
    throw new MeshError('UNAVAILABLE', `${statePath(dataFolder)} is not readable; is it of this version?`, { cause });
  }
}

/** Replaces the state in one step. */
export function writeMeshState(dataFolder: string, state: MeshState): void {
  replaceFile(statePath(dataFolder), `${JSON.stringify(state, null, 2)}\n`);
}

/** Removes the state: this mesh no longer runs. */
export function removeMeshState(dataFolder: string): void {
  rmSync(statePath(dataFolder), { force: true });
}
