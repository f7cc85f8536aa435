import { type DaprBinaries, findDapr, howToGetDapr, type StateStore } from '@daca-mesh/dapr';
import { InvalidArgumentError } from 'commander';
import type { Config } from '../config.ts';
import type { EngineOptions } from '../engine-options.ts';

/** What runs the workflows of a mesh. */
export type EngineChoice =
  /** Our sidecar, in the process of the coordinator. */
  | { kind: 'embedded' }
  /** Dapr's own programs, as processes of the mesh. */
  | { kind: 'dapr'; binaries: DaprBinaries; store: StateStore }
  /** A Dapr that somebody else runs. */
  | { kind: 'external'; endpoint: string };

/**
 * The engine asked for by the options, else by the environment, else the embedded one. Throws a usage error that says
 * what is missing.
 */
export function chooseEngine(options: EngineOptions, config: Config): EngineChoice {
  const endpoint = config.daprEndpoint;
  const engine = options.engine ?? config.engine ?? (endpoint === undefined ? 'embedded' : 'dapr');
  if (engine === 'embedded') {
    if (options.daprState === undefined) return { kind: 'embedded' };
    throw new InvalidArgumentError('--dapr-state is about --engine dapr, and this mesh has the embedded engine');
  }
  if (endpoint !== undefined) {
    if (options.daprState === undefined) return { kind: 'external', endpoint };
    throw new InvalidArgumentError(
      '--dapr-state is about a Dapr of this mesh, and DAPR_GRPC_ENDPOINT names another one',
    );
  }
  const store = chooseStore(options, config);
  const binaries = findDapr(config.inherited);
  if (binaries === undefined) throw new InvalidArgumentError(howToGetDapr);
  return { kind: 'dapr', binaries, store };
}

function chooseStore({ daprState }: EngineOptions, config: Config): StateStore {
  if (daprState === undefined) return parseStore('MESH_DAPR_STATE', config.daprState ?? 'sqlite');
  const store = parseStore('--dapr-state', daprState);
  if (store.kind === 'postgres' && new URL(store.connectionString).password !== '') {
    throw new InvalidArgumentError(
      'a password in --dapr-state can be read by every user of this machine: set MESH_DAPR_STATE, or PGPASSWORD, instead',
    );
  }
  return store;
}

/** The text is not repeated in the error: there may be a password in it. */
function parseStore(from: string, text: string): StateStore {
  if (text === 'sqlite') return { kind: 'sqlite' };
  if (/^postgres(?:ql)?:\/\//.test(text) && URL.canParse(text)) return { kind: 'postgres', connectionString: text };
  throw new InvalidArgumentError(`${from} must be "sqlite" or a postgres:// URL`);
}
