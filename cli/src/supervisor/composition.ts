import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type MeshMember, MeshComposition, meshComposition } from '@daca-mesh/agent-cards';
import { InvalidArgumentError } from 'commander';
import type { AgentSpec } from './process-spec.ts';

/** The name of the process that runs workflows; it is told where the others are. */
export const coordinatorName = 'coordinator';

/** Who runs in a mesh, and the folder their packages are relative to. */
export interface Composition {
  members: readonly MeshMember[];
  root: string;
}

const parentWatchUrl = new URL('./parent-watch.ts', import.meta.url).href;

const workspaceRoot = fileURLToPath(new URL('../../..', import.meta.url));

/** What the mesh itself calls so in the data folder, in `mesh ps` and among the logs. */
export const reservedNames: ReadonlySet<string> = new Set(['dapr', 'daprd', 'placement', 'scheduler', 'logs']);

/** The shipped composition, or the one in a file (packages are then relative to its folder). */
export function loadComposition(path?: string): Composition {
  if (path === undefined) return { members: meshComposition, root: workspaceRoot };
  try {
    const members = MeshComposition.parse(JSON.parse(readFileSync(path, 'utf8')));
    const reserved = members.find(({ name }) => reservedNames.has(name));
    if (reserved !== undefined) throw new TypeError(`"${reserved.name}" is a name of the mesh itself`);
    return { members, root: dirname(resolve(path)) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidArgumentError(`${path} is no usable composition: ${reason}`);
  }
}

/** Where and under which settings the processes of a mesh run. */
export interface SpecOptions {
  /** Absolute. */
  dataFolder: string;
  host: string;
  /** The coordinator's; the others follow in the order of the composition. 0: every process chooses its own. */
  port: number;
  /** Only these members; all when undefined. */
  only?: readonly string[] | undefined;
}

/** What has to be started. A member keeps its port whether or not the ones before it are started. */
export function toProcessSpecs(composition: Composition, options: SpecOptions): AgentSpec[] {
  const names = composition.members.map((member) => member.name);
  const unknown = options.only?.filter((name) => !names.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new InvalidArgumentError(`no such agent: ${unknown.join(', ')}; there are ${names.join(', ')}`);
  }
  return composition.members
    .map((member, index) => toProcessSpec(member, index, composition.root, options))
    .filter((spec) => options.only?.includes(spec.name) ?? true);
}

function toProcessSpec(member: MeshMember, index: number, root: string, options: SpecOptions): AgentSpec {
  const folder = resolve(root, member.package);
  return {
    name: member.name,
    command: process.execPath,
    args: ['--import', parentWatchUrl, join(folder, 'src', 'main.ts')],
    folder,
    dataFolder: join(options.dataFolder, member.name),
    logPath: join(options.dataFolder, 'logs', `${member.name}.jsonl`),
    env: member.env,
    ...(member.callsPeers ? { callsPeers: true } : {}),
    readiness: { kind: 'announced', host: options.host, port: options.port === 0 ? 0 : options.port + index },
  };
}
