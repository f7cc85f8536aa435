import { loadCard, write } from '@daca-mesh/agent-cards';
import { modelFromEnvironment } from '@daca-mesh/protocol/agents-sdk';
import { type AgentServer, createAgentServer, serverSettings, skill } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createDraftWriter } from './skills/write.ts';

/** Starts the writer. */
export async function createServer(config: Config, logger: Logger): Promise<AgentServer> {
  const model = await modelFromEnvironment(config.model);
  logger.info({ model: model.name }, 'model chosen');
  const writeDraft = createDraftWriter(model, config.modelTimeoutMs);
  return createAgentServer({
    ...serverSettings(config),
    card: loadCard('writer'),
    skills: { write: skill(write, writeDraft) },
    logger,
  });
}
