import { analyzeData, loadCard } from '@daca-mesh/agent-cards';
import { modelFromEnvironment } from '@daca-mesh/protocol/agents-sdk';
import { type AgentServer, createAgentServer, serverSettings, skill } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createAnalyst } from './skills/analyze-data.ts';

/** Starts the analyst. */
export async function createServer(config: Config, logger: Logger): Promise<AgentServer> {
  const model = await modelFromEnvironment(config.model);
  logger.info({ model: model.name }, 'model chosen');
  return createAgentServer({
    ...serverSettings(config),
    card: loadCard('analyst'),
    skills: { 'analyze-data': skill(analyzeData, createAnalyst(model, config.modelTimeoutMs)) },
    logger,
  });
}
