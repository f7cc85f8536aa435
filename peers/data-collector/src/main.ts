import { runAgent } from '@daca-mesh/protocol/server';
import { parseConfig } from './config.ts';
import { createLogger } from './logger.ts';
import { createServer } from './server.ts';

const config = parseConfig();
await runAgent(config, createServer, createLogger(config));
