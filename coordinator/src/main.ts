import { runAgent } from '@daca-mesh/protocol/server';
import { readConfig } from './config.ts';
import { createCoordinatorLogger } from './logger.ts';
import { createServer } from './server.ts';

const config = readConfig();
await runAgent(config, createServer, createCoordinatorLogger(config));
