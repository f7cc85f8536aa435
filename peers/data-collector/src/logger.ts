import { createLogger as createAgentLogger } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';

/** The logger of this agent. */
export const createLogger = (config: Config): Logger => createAgentLogger('data-collector', config.logLevel);
