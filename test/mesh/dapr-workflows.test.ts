import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isDaprWanted, startOnDapr } from './dapr.ts';
import { composedEnvironment, composedPeers, describeDeclarativeRuns } from './describe-declarative-runs.ts';
import { describeHealthMonitor, watchedPeers } from './describe-health-monitor.ts';
import type { MeshUp } from './mesh-up.ts';
import { readStore } from './read-store.ts';

/** What is tested on the embedded engine, on real Dapr: all in one mesh, since starting one takes long. */
describe.skipIf(!isDaprWanted())('on Dapr', () => {
  let mesh: MeshUp;
  beforeAll(async () => {
    mesh = await startOnDapr([...new Set([...watchedPeers, ...composedPeers])], composedEnvironment(3_000));
  }, 120_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  describeHealthMonitor(() => mesh);

  it('a run that begins anew leaves nothing of its past generations in the store of Dapr', () => {
    const newest = "SELECT run_id, generation FROM runs WHERE workflow = 'health-monitor' ORDER BY created_at DESC";
    const [monitor] = readStore(mesh, 'coordinator', newest);
    expect(monitor?.['generation']).toBe(2);
    using store = new DatabaseSync(join(mesh.dataOf('dapr'), 'state.db'), { readOnly: true });
    const history = store.prepare("SELECT count(*) AS events FROM state WHERE key LIKE '%||' || ? || '||history-%'");
    const { events } = history.get(String(monitor?.['run_id'])) ?? {};
    // Two checks of 22: ten take about 80.
    expect(events).toBeGreaterThan(0);
    expect(events).toBeLessThan(60);
  });

  describeDeclarativeRuns(() => mesh);
});
