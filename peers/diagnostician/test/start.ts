import type { PeerContract } from '@daca-mesh/protocol/testing';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

/** A diagnostician in this process. */
export const start: PeerContract['start'] = ({ dataDir, token, env }) => {
  const config = parseConfig({ MESH_LOG_LEVEL: 'silent', ...env, MESH_DATA: dataDir, MESH_TOKEN: token });
  return createServer(config, createLogger(config));
};

/** A case that needs no question. */
export const clearCase = {
  patient: { ageYears: 34, sex: 'female' },
  complaint: 'Fever and a cough, worse at night',
  symptoms: [{ name: 'breathlessness', severity: 'mild' }],
  measurements: { temperatureC: 39.1, oxygenPercent: 92 },
};
