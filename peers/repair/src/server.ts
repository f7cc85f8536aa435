import { loadCard, repairDevice } from '@daca-mesh/agent-cards';
import { modelFromEnvironment } from '@daca-mesh/protocol/agents-sdk';
import { type AgentServer, createAgentServer, serverSettings, skill } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createFindDeviceAgent } from './device-agents.ts';
import { createDeviceRepairer } from './skills/repair-device.ts';

/** Starts the repair agent. */
export async function createServer(config: Config, logger: Logger): Promise<AgentServer> {
  const { peers: origins, token, deviceTimeoutMs: timeoutMs, modelTimeoutMs } = config;
  const model = await modelFromEnvironment(config.model);
  logger.info({ model: model.name, peers: origins.length }, 'model chosen');
  const devices = { find: createFindDeviceAgent({ origins, token, timeoutMs, logger }), timeoutMs };
  return createAgentServer({
    ...serverSettings(config),
    card: loadCard('repair'),
    skills: { 'repair-device': skill(repairDevice, createDeviceRepairer({ model, modelTimeoutMs, devices })) },
    logger,
  });
}
