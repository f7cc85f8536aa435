import { extractKeywords as schemas, loadCard } from '@daca-mesh/agent-cards';
import { type AgentServer, createAgentServer, serverSettings, skill } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { extractKeywords } from './skills/extract-keywords.ts';

/** Starts the agent. */
export const createServer = (config: Config, logger: Logger): Promise<AgentServer> =>
  createAgentServer({
    ...serverSettings(config),
    card: loadCard('keyword-extractor'),
    skills: { 'extract-keywords': skill(schemas, async ({ input }) => extractKeywords(input)) },
    logger,
  });
