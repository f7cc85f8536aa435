import { describePeerContract } from '@daca-mesh/protocol/testing';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

const items = [{ sku: 'laptop', quantity: 2 }];

describePeerContract('purchasing', {
  start: ({ dataDir, token, env }) => {
    const config = parseConfig({ MESH_LOG_LEVEL: 'silent', ...env, MESH_DATA: dataDir, MESH_TOKEN: token });
    return createServer(config, createLogger(config));
  },
  // In the order of an order's life, since they are sent one after the other.
  samples: {
    'quote-order': { valid: { orderId: 'o1', items }, invalid: { orderId: 'o1', items: [] } },
    'reserve-order': { valid: { orderId: 'o1', items }, invalid: { orderId: 'o1', items, holdMs: 0 } },
    'place-order': { valid: { orderId: 'o1' }, invalid: { orderId: '' } },
    'confirm-order': { valid: { orderId: 'o1' }, invalid: { orderId: 1 } },
    'get-order': { valid: { orderId: 'o1' }, invalid: {} },
    'cancel-order': { valid: { orderId: 'o2', reason: 'not needed' }, invalid: { orderId: 'o2', reason: '' } },
  },
});
