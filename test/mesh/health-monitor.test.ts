import { afterAll, beforeAll } from 'vitest';
import { describeHealthMonitor, watchedPeers } from './describe-health-monitor.ts';
import { Mesh } from './mesh.ts';

let mesh: Mesh;
beforeAll(async () => {
  mesh = await Mesh.start({ peers: watchedPeers });
}, 60_000);
afterAll(() => mesh[Symbol.asyncDispose]());

describeHealthMonitor(() => mesh);
