import { Mesh } from '@daca-mesh/test/mesh';
import { type LoadResult, measure } from '../load.ts';
import { runToEnd } from './run-client.ts';

const text =
  'Durable execution keeps the state of a long-running program in a database, so that a crash of the machine costs a ' +
  'restart and not the work. Agents that speak a common protocol can then be chained without fear.';

/** What is run, and the agents it takes. */
const loads = {
  chain: {
    workflow: 'content-pipeline',
    peers: ['keyword-extractor', 'writer', 'formatter'],
    env: {},
    input: (): unknown => ({ text }),
  },
  'fan-out': {
    workflow: 'fan-out',
    peers: ['device-light'],
    env: { 'device-light': { DEVICE_COUNT: '20' } },
    input: (): unknown => ({
      limit: 20,
      steps: lights(20).map((deviceId) => ({ id: deviceId, skill: 'set-light', input: { deviceId, on: true } })),
    }),
  },
  scene: {
    workflow: 'device-scene',
    peers: ['device-light'],
    env: { 'device-light': { DEVICE_COUNT: '20' } },
    input: (): unknown => ({
      limit: 20,
      devices: lights(20).map((deviceId) => ({ kind: 'light', deviceId, set: { on: true } })),
    }),
  },
};

const lights = (count: number): string[] => Array.from({ length: count }, (_, index) => `light-${index + 1}`);

/** A workflow run by so many clients, each starting the next run when the one before ended. */
export async function runUnderLoad(
  name: keyof typeof loads,
  durabilities: readonly string[],
  load: { clients: readonly number[]; seconds: number },
): Promise<(LoadResult & { durability: string })[]> {
  const { workflow, peers, env, input } = loads[name];
  const rows: (LoadResult & { durability: string })[] = [];
  for (const durability of durabilities) {
    await using mesh = await Mesh.start({ peers, env: { ...env, all: { MESH_DURABILITY: durability } } });
    for (const clients of load.clients) {
      const options = { clients, seconds: load.seconds, warmUpSeconds: 2 };
      rows.push({ durability, ...(await measure(() => runToEnd(mesh.coordinator, workflow, input()), options)) });
    }
  }
  return rows;
}
