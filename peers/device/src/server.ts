import { loadCard } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { connectEventBus, eventBusSettings, eventSchema, startEventPublisher } from '@daca-mesh/protocol/events';
import {
  type AgentServer,
  createAgentServer,
  type Database,
  openSqliteDatabase,
  serverSettings,
  type Skill,
  skill,
  taskSchema,
  writesSchema,
} from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import { startActivity } from './activity.ts';
import type { Config } from './config.ts';
import { deviceSchema } from './device-tables.ts';
import type { Kind } from './kinds/kind.ts';
import { light } from './kinds/light.ts';
import { lock } from './kinds/lock.ts';
import { thermostat } from './kinds/thermostat.ts';
import { seedDevices } from './seed-devices.ts';
import { faultDevice } from './skills/fault-device.ts';
import { getDevice } from './skills/get-device.ts';
import { listDevices } from './skills/list-devices.ts';
import { serviceDevice } from './skills/service-device.ts';
import { setDevice } from './skills/set-device.ts';

type Start = (config: Config, logger: Logger) => Promise<AgentServer>;

/** The agents this package can be, by card. */
const agents: ReadonlyMap<string, Start> = new Map<string, Start>([
  ['device-light', (config, logger) => startAgent(light, config, logger)],
  ['device-thermostat', (config, logger) => startAgent(thermostat, config, logger)],
  ['device-lock', (config, logger) => startAgent(lock, config, logger)],
]);

/** Starts the agent whose card the settings name. Its devices, its tasks and its events share one database file. */
export async function createServer(config: Config, logger: Logger): Promise<AgentServer> {
  const start = agents.get(config.card);
  if (!start) throw new MeshError('INVALID_ARGUMENT', `MESH_CARD must be one of ${[...agents.keys()].join(', ')}`);
  return start(config, logger);
}

async function startAgent<State extends object, Settings>(
  kind: Kind<State, Settings>,
  config: Config,
  logger: Logger,
): Promise<AgentServer> {
  await using resources = new AsyncDisposableStack();
  const settings = serverSettings(config);
  const schemas = [taskSchema, writesSchema, eventSchema, deviceSchema];
  const database = resources.use(openSqliteDatabase({ ...settings.database, schemas }));
  await database.write(() => seedDevices(kind, config.deviceCount, Date.now()));
  const bus = await connectEventBus({ ...eventBusSettings(config), logger });
  if (bus) resources.defer(() => bus.close());
  const publisher = startEventPublisher({ database, bus, logger });
  resources.defer(() => publisher.close());
  if (config.activityMs > 0) {
    const { activityMs: intervalMs, activitySeed: seed } = config;
    resources.use(startActivity({ kind, database, logger, intervalMs, seed }));
  }
  return createAgentServer({
    ...settings,
    card: loadCard(config.card),
    skills: skillsOf(kind, database, config.commandMs),
    database,
    resources: resources.move(),
    logger,
  });
}

function skillsOf<State extends object, Settings>(
  kind: Kind<State, Settings>,
  database: Database,
  commandMs: number,
): Record<string, Skill> {
  const { name, schemas } = kind;
  const agent = { kind, database, commandMs };
  return {
    [`set-${name}`]: skill(schemas.set, ({ input, task }) => setDevice(agent, input, task)),
    [`get-${name}`]: skill(schemas.get, ({ input }) => getDevice(agent, input)),
    [`list-${name}s`]: skill(schemas.list, ({ input }) => listDevices(agent, input)),
    [`service-${name}`]: skill(schemas.service, ({ input, task }) => serviceDevice(agent, input, task)),
    [`fault-${name}`]: skill(schemas.fault, ({ input, task }) => faultDevice(agent, input, task)),
  };
}
