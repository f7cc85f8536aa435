import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findDapr, howToGetDapr } from '@daca-mesh/dapr';
import type { Mesh } from './mesh.ts';
import { MeshUp } from './mesh-up.ts';

/**
 * Whether the tests on real Dapr are asked for, by `MESH_TEST_DAPR=1` or in CI: they take minutes. Throws where they are
 * and there is no Dapr.
 */
export function isDaprWanted(): boolean {
  const isWanted = Boolean(process.env['MESH_TEST_DAPR'] || process.env['CI']);
  if (isWanted && findDapr(process.env) === undefined) throw new Error(howToGetDapr);
  return isWanted;
}

/** A mesh on real Dapr, of the coordinator and these peers; the environment is that of all its processes. */
export const startOnDapr = (peers: readonly string[], env: Record<string, string> = {}): Promise<MeshUp> =>
  MeshUp.start({ args: ['--engine', 'dapr', '--only', ['coordinator', ...peers].join(',')], env });

/** The HTTP API of daprd, and the token it wants. */
export function daprdApi(mesh: { dataOf(name: string): string }): { url: string; apiToken: string } {
  // Written by `mesh up`.
  const { apiToken, ports } = JSON.parse(readFileSync(join(mesh.dataOf('dapr'), 'identity.json'), 'utf8')) as {
    apiToken: string;
    ports: { daprdHttp: number };
  };
  return { url: `http://127.0.0.1:${ports.daprdHttp}/v1.0`, apiToken };
}

/** The same API of the embedded engine, where `MESH_DAPR_HTTP_PORT` has it listen. */
export function sidecarApi(mesh: Mesh): string {
  const line = mesh.output('coordinator').findLast((each) => each.includes('"sidecar listens"')) ?? '{}';
  // Written by the sidecar.
  const { host, httpPort } = JSON.parse(line) as { host: string; httpPort: number };
  return `http://${host}:${httpPort}/v1.0`;
}
