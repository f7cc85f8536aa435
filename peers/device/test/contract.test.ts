import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { AgentClient, taskResult } from '@daca-mesh/protocol/client';
import { describePeerContract } from '@daca-mesh/protocol/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { createLogger } from '../src/logger.ts';
import { createServer } from '../src/server.ts';

const start = (environment: Record<string, string | undefined>) => {
  const config = parseConfig({ MESH_LOG_LEVEL: 'silent', ...environment });
  return createServer(config, createLogger(config));
};

const deviceId = 'thermostat-1';

describePeerContract('device-thermostat', {
  start: ({ dataDir, token, env }) =>
    start({ ...env, MESH_CARD: 'device-thermostat', MESH_DATA: dataDir, MESH_TOKEN: token }),
  samples: {
    'set-thermostat': {
      valid: { deviceId, mode: 'heat', targetCelsius: 21 },
      invalid: { deviceId, mode: 'heat', targetCelsius: 31 },
    },
    'get-thermostat': { valid: { deviceId }, invalid: { deviceId: '' } },
    'list-thermostats': { valid: { room: 'kitchen' }, invalid: { limit: 0 } },
    'service-thermostat': { valid: { deviceId, action: 'restart' }, invalid: { deviceId, action: 'kick' } },
    'fault-thermostat': {
      valid: { deviceId, fault: { type: 'slow', delayMs: 1 } },
      invalid: { deviceId, fault: { type: 'drift', delayMs: 1 } },
    },
  },
});

describe('createServer', () => {
  it.each([
    ['light', { on: true }, { on: false }],
    ['lock', { locked: false }, { locked: true }],
  ])('serves the other cards by the same skills: %s', async (kind, settings, previous) => {
    const folder = await mkdtemp(`${tmpdir()}/device-`);
    onTestFinished(() => rm(folder, { recursive: true }));
    await using server = await start({ MESH_CARD: `device-${kind}`, MESH_DATA: folder });
    const client = await AgentClient.connect(server.url);
    const skills = [`set-${kind}`, `get-${kind}`, `list-${kind}s`, `service-${kind}`, `fault-${kind}`];
    expect(client.card.skills.map(({ id }) => id)).toEqual(skills);
    const input = { deviceId: `${kind}-1`, ...settings };
    const task = await client.send({ skill: `set-${kind}`, input, blocking: true });
    expect(taskResult(task)).toMatchObject({ device: { state: settings }, previous });
  });

  it('takes the addresses of the mesh in the form every agent takes them', () => {
    expect(() => parseConfig({ NATS_URL: 'localhost:4222' })).toThrow('NATS_URL');
    expect(parseConfig({ MESH_URL: 'http://127.0.0.1:4100/' }).meshUrl).toBe('http://127.0.0.1:4100');
  });

  it('names the cards there are when asked for another', async () => {
    await expect(start({ MESH_CARD: 'writer' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('device-lock'),
    });
  });
});
