import { describePeerContract } from '@daca-mesh/protocol/testing';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

describePeerContract('formatter', {
  start: ({ dataDir, token, env }) => {
    const config = parseConfig({ MESH_LOG_LEVEL: 'silent', ...env, MESH_DATA: dataDir, MESH_TOKEN: token });
    return createServer(config, createLogger(config));
  },
  samples: {
    format: {
      valid: { title: 'Hello', text: 'Some *draft*.', as: 'html' },
      invalid: { text: 'Some *draft*.', as: 'pdf' },
    },
  },
});
