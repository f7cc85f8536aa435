import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { coordinatorName } from './composition.ts';
import { isAgent, type ProcessSpec } from './process-spec.ts';

type Environment = Readonly<Record<string, string>>;

/** Variables that are about one process only, or about `mesh up` itself, and so must not reach all of them. */
const ofOneProcess: ReadonlySet<string> = new Set(['MESH_CARD', 'MESH_PUBLIC_URL', 'MESH_DAPR_STATE', 'MESH_URL']);

/** Levels at which a process would not log that it listens; its log is a file, so nobody is disturbed by more. */
const isQuiet = (level: string | undefined): boolean => level !== undefined && !/^(?:trace|debug|info)$/.test(level);

/** What a process of the mesh inherits. A public URL is the coordinator's: it is the one that others reach. */
export function toChildEnvironment(
  spec: ProcessSpec,
  inherited: Environment,
  peerUrls: string | undefined,
  coordinatorUrl: string | undefined,
): Environment {
  if (!isAgent(spec)) return withoutOurs(inherited);
  const common = Object.fromEntries(Object.entries(inherited).filter(([name]) => !ofOneProcess.has(name)));
  const compileCache = getCompileCacheDir();
  const { MESH_PUBLIC_URL: publicUrl } = inherited;
  return {
    // The processes share the compiled code of their libraries with this one.
    ...(compileCache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(compileCache) }),
    ...common,
    ...(isQuiet(inherited['MESH_LOG_LEVEL']) ? { MESH_LOG_LEVEL: 'info' } : {}),
    ...(peerUrls === undefined ? {} : { MESH_PEERS: peerUrls }),
    // Where an agent that has no other bus sends its events.
    ...(coordinatorUrl === undefined ? {} : { MESH_URL: coordinatorUrl }),
    ...(spec.name === coordinatorName && publicUrl !== undefined ? { MESH_PUBLIC_URL: publicUrl } : {}),
  };
}

/** The settings and secrets of agents are none of the business of Dapr's programs. */
const withoutOurs = (inherited: Environment): Environment =>
  Object.fromEntries(Object.entries(inherited).filter(([name]) => !/^(?:MESH|NATS|OPENAI)_/.test(name)));
