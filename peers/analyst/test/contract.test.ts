import { describeModelFaults, describePeerContract, type PeerContract } from '@daca-mesh/protocol/testing';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

const start: PeerContract['start'] = ({ dataDir, token, env }) => {
  const config = parseConfig({ MESH_LOG_LEVEL: 'silent', ...env, MESH_DATA: dataDir, MESH_TOKEN: token });
  return createServer(config, createLogger(config));
};
const rows = [
  { region: 'north', amount: 12 },
  { region: 'south', amount: 30 },
];
const sources = [{ uri: 'table:orders', kind: 'table', mediaType: 'application/json', rows, truncated: false }];
const input = { topic: 'Orders by region', sources };

describePeerContract('analyst', {
  start,
  samples: { 'analyze-data': { valid: input, invalid: { ...input, sources: [] } } },
});

describeModelFaults('analyst', {
  start,
  skill: 'analyze-data',
  input,
  answer: {
    title: 'Orders',
    summary: 'The south orders most.',
    findings: [{ statement: 'The south leads.', evidence: ['table:orders'], figures: [] }],
  },
});
