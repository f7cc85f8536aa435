import { createLogger as createPinoLogger } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';

/** The logger of this agent's process. */
export const createLogger = (config: Config): Logger => createPinoLogger('records', config.logLevel);
