import { describePeerContract } from '@daca-mesh/protocol/testing';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

describePeerContract('records', {
  start: ({ dataDir, token, env }) => {
    const config = parseConfig({ MESH_LOG_LEVEL: 'silent', ...env, MESH_DATA: dataDir, MESH_TOKEN: token });
    return createServer(config, createLogger(config));
  },
  samples: {
    'save-post': { valid: { postId: 'p1', text: 'Hello' }, invalid: { postId: '', text: 'Hello' } },
    'set-post-status': {
      valid: { postId: 'p1', status: 'approved', by: 'ada' },
      invalid: { postId: 'p1', status: 'gone' },
    },
    'get-post': { valid: { postId: 'p1' }, invalid: { postId: 1 } },
    'append-audit': {
      valid: { postId: 'p1', entry: { action: 'approve', by: 'ada' } },
      invalid: { postId: 'p1', entry: { action: '' } },
    },
    'log-error': {
      valid: { runId: 'run-1', workflow: 'content-pipeline', code: 'PEER_FAILED', message: 'the model is down' },
      invalid: { runId: 'run-1', workflow: 'content-pipeline', code: '' },
    },
    'get-errors': { valid: { runId: 'run-1' }, invalid: { limit: 0 } },
    'get-audit': { valid: { postId: 'p1' }, invalid: {} },
  },
});
