import { describeModelFaults } from '@daca-mesh/protocol/testing';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

describeModelFaults('the writer', {
  start: ({ dataDir, env }) => {
    const config = parseConfig({ MESH_LOG_LEVEL: 'silent', ...env, MESH_DATA: dataDir });
    return createServer(config, createLogger(config));
  },
  skill: 'write',
  input: { keywords: ['durable workflows', 'agents'], topic: 'recovery', maxWords: 60 },
  answer: { title: 'Recovery', text: 'Agents restart, and durable workflows go on where they stood.' },
});
