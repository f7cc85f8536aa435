import { describePeerContract } from '@daca-mesh/protocol/testing';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

describePeerContract('keyword-extractor', {
  start: ({ dataDir, token, env }) => {
    const config = parseConfig({ MESH_LOG_LEVEL: 'silent', ...env, MESH_DATA: dataDir, MESH_TOKEN: token });
    return createServer(config, createLogger(config));
  },
  samples: {
    'extract-keywords': {
      valid: { text: 'Agents call agents. Durable agents survive a crash.', limit: 3 },
      invalid: { text: 'Agents call agents.', limit: 0 },
    },
  },
});
