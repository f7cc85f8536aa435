import { join } from 'node:path';
import { type DaprProcess, daprProcesses, watchedCommand } from '@daca-mesh/dapr';
import { coordinatorName } from './composition.ts';
import { openDaprIdentity } from './dapr-identity.ts';
import type { EngineChoice } from './engine-choice.ts';
import type { ProcessSpec } from './process-spec.ts';
import { putAside } from './put-aside.ts';

/** What a mesh needs for its engine. */
export interface MeshEngine {
  /** What runs beside the agents. */
  processes: readonly ProcessSpec[];
  /** What the coordinator is told about it. */
  environment: Readonly<Record<string, string>>;
  /** Where the state of another engine is now that ran here before. */
  asides: readonly string[];
}

type DaprChoice = Extract<EngineChoice, { kind: 'dapr' }>;

/**
 * Makes the data folder ready for an engine; to be called by the owner of the folder's lock. The rows of the coordinator
 * say what a run has done, an engine only how far it has told the workflow. Where another engine ran before, its state is
 * put aside, so that it is not found again later with runs in it that have gone on elsewhere; the coordinator starts
 * them again, and they find the outcomes of their steps in the rows.
 */
export async function prepareEngine(choice: EngineChoice, dataFolder: string): Promise<MeshEngine> {
  const embeddedState = join(dataFolder, coordinatorName, 'engine.db');
  const daprFolder = join(dataFolder, 'dapr');
  switch (choice.kind) {
    case 'embedded':
      return { processes: [], environment: { MESH_ENGINE: 'embedded' }, asides: putAside(daprFolder) };
    case 'external':
      return {
        processes: [],
        environment: { MESH_ENGINE: 'dapr', DAPR_GRPC_ENDPOINT: choice.endpoint },
        asides: [...putAside(embeddedState), ...putAside(daprFolder)],
      };
    case 'dapr': {
      const asides = putAside(embeddedState);
      const dapr = await prepareDapr(choice, daprFolder, join(dataFolder, 'logs'));
      return { ...dapr, asides: [...asides, ...dapr.asides] };
    }
    default:
      return choice satisfies never;
  }
}

async function prepareDapr({ binaries, store }: DaprChoice, folder: string, logFolder: string): Promise<MeshEngine> {
  const { identity, asides } = await openDaprIdentity(folder, store);
  const { appId, apiToken, ports } = identity;
  const processes = daprProcesses({ binaries, store, folder, appId, apiToken, ports });
  return {
    processes: processes.map((process) => toSpec(process, folder, logFolder)),
    environment: {
      MESH_ENGINE: 'dapr',
      DAPR_GRPC_ENDPOINT: `127.0.0.1:${ports.daprdGrpc}`,
      DAPR_API_TOKEN: apiToken,
    },
    asides,
  };
}

/** daprd serves the coordinator to its end, and would wait for the other two before its own. */
const endsAfter: Readonly<Record<DaprProcess['name'], readonly string[]>> = {
  daprd: [coordinatorName],
  scheduler: ['daprd'],
  placement: ['daprd'],
};

const toSpec = ({ name, command, args, env, healthUrl }: DaprProcess, folder: string, logs: string): ProcessSpec => ({
  name,
  ...watchedCommand(command, args),
  folder,
  dataFolder: folder,
  logPath: join(logs, `${name}.jsonl`),
  env,
  readiness: {
    kind: 'probed',
    healthUrl,
    // The others have nothing for users.
    ...(name === 'daprd' ? { url: new URL(healthUrl).origin } : {}),
  },
  endsAfter: endsAfter[name],
});
