import { describePeerContract } from '@daca-mesh/protocol/testing';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

describePeerContract('data-collector', {
  start: ({ dataDir, token, env }) => {
    const config = parseConfig({ MESH_LOG_LEVEL: 'silent', ...env, MESH_DATA: dataDir, MESH_TOKEN: token });
    return createServer(config, createLogger(config));
  },
  samples: {
    'collect-data': {
      valid: { files: ['regions.csv'], tables: [{ name: 'orders', limit: 3 }] },
      invalid: { files: 'regions.csv' },
    },
  },
});
