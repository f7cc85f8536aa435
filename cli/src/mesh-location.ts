import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { MeshError } from '@daca-mesh/protocol';
import type { Config } from './config.ts';
import { type MeshState, tryReadMeshState } from './mesh-state.ts';

/** The folder of a mesh's data where nothing else was said. */
export const defaultDataFolder = '.mesh';

/** Where the mesh is that a command talks to. */
export interface MeshLocation {
  /** The coordinator's origin; undefined where the mesh runs without one. */
  url: string | undefined;
  /** Set when the mesh was found by its data folder, so on this machine. */
  local: { dataFolder: string; state: MeshState } | undefined;
  /** The origins that may be sent the mesh's token. */
  origins: readonly string[];
}

/** The options by which every command can be told where its mesh is. */
export interface LocationOptions {
  url?: string;
  data?: string;
}

/**
 * Finds the mesh: `--url`, `--data`, `MESH_URL`, else the nearest `.mesh/mesh.json` from the working folder upwards.
 * Throws UNAVAILABLE where there is none.
 */
export function locateMesh(options: LocationOptions, config: Config, workingFolder = process.cwd()): MeshLocation {
  if (options.url !== undefined) return remote(options.url);
  if (options.data !== undefined) return local(resolve(workingFolder, options.data));
  if (config.url !== undefined) return remote(config.url);
  const folder = nearestDataFolder(workingFolder);
  if (folder === undefined) {
    throw new MeshError(
      'UNAVAILABLE',
      'no running mesh found: start one with "npx mesh up", or name its --data folder',
    );
  }
  return local(folder);
}

function remote(url: string): MeshLocation {
  const { origin } = new URL(url);
  return { url: origin, local: undefined, origins: [origin] };
}

function local(dataFolder: string): MeshLocation {
  const state = tryReadMeshState(dataFolder);
  if (state === undefined) {
    throw new MeshError(
      'UNAVAILABLE',
      `no mesh runs on ${dataFolder}: start it with "npx mesh up --data ${dataFolder}"`,
    );
  }
  const origins = state.processes.flatMap((process) => (process.url === null ? [] : [new URL(process.url).origin]));
  return { url: state.url ?? undefined, local: { dataFolder, state }, origins };
}

function nearestDataFolder(from: string): string | undefined {
  const folder = join(from, defaultDataFolder);
  if (existsSync(join(folder, 'mesh.json'))) return folder;
  const parent = dirname(from);
  return parent === from ? undefined : nearestDataFolder(parent);
}
