import { createLogger } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Config } from './config.ts';

/** The log of the coordinator: JSON lines on standard output. */
export const createCoordinatorLogger = (config: Pick<Config, 'logLevel'>): Logger =>
  createLogger('coordinator', config.logLevel);
