import { format as schemas, loadCard } from '@daca-mesh/agent-cards';
import { type AgentServer, createAgentServer, serverSettings, skill } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { format } from './skills/format.ts';

/** Starts the agent. */
export const createServer = (config: Config, logger: Logger): Promise<AgentServer> =>
  createAgentServer({
    ...serverSettings(config),
    card: loadCard('formatter'),
    skills: { format: skill(schemas, async ({ input }) => format(input)) },
    logger,
  });
