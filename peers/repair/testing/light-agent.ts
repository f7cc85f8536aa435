import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type FaultType,
  getLight,
  loadCard,
  type ServiceAction,
  serviceLight,
  type SkillMap,
} from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { createAgentServer, skill } from '@daca-mesh/protocol/server';
import { pino } from 'pino';

type Light = SkillMap['get-light']['output']['device'];

/** An agent with two lights over real HTTP; `light-2` is always well. */
export interface LightAgent extends AsyncDisposable {
  url: string;
  /** What is wrong with `light-1`. */
  faults: FaultType[];
  /** The service actions that were done, in order; each effect key once. */
  readonly serviced: ServiceAction[];
  readonly effectKeys: ReadonlySet<string>;
}

/** Starts it. `helps`: whether an action takes away its fault; `hangs`: it is done, and its end is never told. */
export async function startLightAgent(
  faults: FaultType[],
  options: { helps?: boolean; hangs?: boolean; token?: string } = {},
): Promise<LightAgent> {
  const dataDir = await mkdtemp(join(tmpdir(), 'light-agent-'));
  const serviced: ServiceAction[] = [];
  const results = new Map<string, SkillMap['service-light']['output']>();
  const known = (deviceId: string): Light => {
    if (!/^light-[12]$/.test(deviceId)) throw new MeshError('NOT_FOUND', `there is no light ${deviceId}`);
    const wrong = deviceId === 'light-1' ? agent.faults : [];
    const at = new Date(0).toISOString();
    return {
      deviceId,
      name: deviceId,
      state: { on: true, brightness: 40 },
      health: wrong.length === 0 ? 'ok' : 'failed',
      faults: wrong.map((type) => ({ type, since: at })),
      lastSeen: at,
    };
  };
  const card = loadCard('device-light');
  const server = await createAgentServer({
    card: { ...card, skills: card.skills.filter(({ id }) => ['get-light', 'service-light'].includes(id)) },
    database: { path: join(dataDir, 'store.db') },
    logger: pino({ level: 'silent' }),
    ...(options.token === undefined ? {} : { token: options.token }),
    skills: {
      'get-light': skill(getLight, async ({ input }) => ({ device: known(input.deviceId) })),
      'service-light': skill(serviceLight, async ({ input, task }) => {
        known(input.deviceId);
        const key = task.idempotencyKey('service');
        const earlier = results.get(key);
        if (earlier) return earlier;
        serviced.push(input.action);
        const resolved = options.helps === false ? [] : agent.faults.splice(0, 1);
        const result = { device: known(input.deviceId), resolved, note: `${input.action} done` };
        results.set(key, result);
        if (options.hangs) await once(task.signal, 'abort');
        return result;
      }),
    },
  });
  const agent = {
    url: server.url,
    faults,
    serviced,
    get effectKeys() {
      return new Set(results.keys());
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(dataDir, { recursive: true });
    },
  };
  return agent;
}
