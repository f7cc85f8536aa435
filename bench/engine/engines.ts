import { join } from 'node:path';
import { findDapr, howToGetDapr, startDapr } from '@daca-mesh/dapr';
import { startSidecar } from '@daca-mesh/sidecar';

export const engineNames = ['embedded', 'daprd'] as const;
export type EngineName = (typeof engineNames)[number];

export interface Engine extends AsyncDisposable {
  /** `host:port` of its gRPC API. */
  readonly address: string;
}

/** Starts an engine on a folder: ours in this process, as in the coordinator, or Dapr's three programs beside it. */
export async function startEngine(name: EngineName, folder: string, durability: 'full' | 'normal'): Promise<Engine> {
  if (name === 'embedded') {
    return startSidecar({ path: join(folder, 'engine.db'), durability, maxUnackedPerStream: 5_000 });
  }
  const binaries = findDapr(process.env);
  if (binaries === undefined) throw new Error(howToGetDapr);
  return startDapr({ binaries, folder, environment: process.env });
}
