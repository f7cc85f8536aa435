import { findDapr, howToGetDapr } from '@daca-mesh/dapr';

/**
 * Whether the tests on real Dapr are asked for, by `MESH_TEST_DAPR=1` or in CI: they take minutes. Throws where they are
 * and there is no Dapr.
 */
export function isDaprWanted(): boolean {
  const isWanted = Boolean(process.env['MESH_TEST_DAPR'] || process.env['CI']);
  if (isWanted && findDapr(process.env) === undefined) throw new Error(howToGetDapr);
  return isWanted;
}
