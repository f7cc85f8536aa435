import { afterAll } from 'vitest';
import type { PeerContract } from '@daca-mesh/protocol/testing';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';
import { startLightAgent } from '../testing/light-agent.ts';

const lights = await startLightAgent(['stuck'], { helps: false });
afterAll(() => lights[Symbol.asyncDispose]());

/** A repair agent in this process, and an agent with lights that it knows. */
export const start: PeerContract['start'] = ({ dataDir, token, env }) => {
  const ours = { MESH_LOG_LEVEL: 'silent', MESH_PEERS: lights.url, MESH_DEVICE_TIMEOUT: '5000' };
  const config = parseConfig({ ...ours, ...env, MESH_DATA: dataDir, MESH_TOKEN: token });
  return createServer(config, createLogger(config));
};

/** A device that is well. */
export const wellLight = { kind: 'light', deviceId: 'light-2', problem: 'it flickers' };

/** One that is not. */
export const stuckLight = { ...wellLight, deviceId: 'light-1' };
