import { draftDiagnosis, loadCard } from '@daca-mesh/agent-cards';
import { modelFromEnvironment } from '@daca-mesh/protocol/agents-sdk';
import { type AgentServer, createAgentServer, serverSettings, skill } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createDiagnosisDrafter } from './skills/draft-diagnosis.ts';

/** Starts the diagnostician. */
export async function createServer(config: Config, logger: Logger): Promise<AgentServer> {
  const model = await modelFromEnvironment(config.model);
  logger.info({ model: model.name }, 'model chosen');
  return createAgentServer({
    ...serverSettings(config),
    card: loadCard('diagnostician'),
    skills: { 'draft-diagnosis': skill(draftDiagnosis, createDiagnosisDrafter(model, config.modelTimeoutMs)) },
    logger,
  });
}
