import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findDapr, howToGetDapr, startDapr } from '@daca-mesh/dapr';

/** What a coordinator of a test runs its workflows on. */
export interface EngineOfTest extends AsyncDisposable {
  /** What a coordinator is told to use it. */
  environment: Record<string, string>;
}

const dapr = findDapr(process.env);
/** Starting daprd takes a while, so that a laptop is asked first. */
const isDaprWanted = Boolean(process.env['MESH_TEST_DAPR'] || process.env['CI']);

/** The embedded engine, and Dapr's own where it is wanted: `MESH_TEST_DAPR=1`. */
export const engines: readonly { name: string; start: () => Promise<EngineOfTest> }[] = [
  {
    name: 'the embedded engine',
    start: async () => ({ environment: {}, [Symbol.asyncDispose]: async () => undefined }),
  },
  ...(isDaprWanted ? [{ name: 'daprd', start: startDaprd }] : []),
];

async function startDaprd(): Promise<EngineOfTest> {
  if (!dapr) throw new Error(howToGetDapr);
  const folder = await mkdtemp(join(tmpdir(), 'coordinator-daprd-'));
  const running = await startDapr({ binaries: dapr, folder, environment: process.env, maxBodySize: '4Mi' });
  return {
    environment: { DAPR_GRPC_ENDPOINT: running.address },
    [Symbol.asyncDispose]: async () => {
      await running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
