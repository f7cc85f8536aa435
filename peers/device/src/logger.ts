import { createLogger as createAgentLogger } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';

/** The logger of this agent's process. */
export const createLogger = (config: Config): Logger => createAgentLogger(config.card, config.logLevel);
