import { expect, it } from 'vitest';
import { z } from 'zod';
import { agentEnvironment, parseAgentConfig, parseEnvironment, serverSettings } from './agent-config.ts';

it('needs nothing on a laptop', () => {
  const config = parseAgentConfig({});
  expect(config).toMatchObject({ host: '127.0.0.1', port: 0, durability: 'full', logLevel: 'info', skillDelaysMs: {} });
  expect(config.token).toBeUndefined();
  expect(Object.isFrozen(config)).toBe(true);
});

it('takes an empty variable for none', () => {
  expect(parseAgentConfig({ MESH_TOKEN: '', MESH_CARD: '', MESH_KILL_AT: '', MESH_PUBLIC_URL: '' })).toMatchObject({
    token: undefined,
    card: undefined,
    killAt: undefined,
  });
});

it('reports all problems together, by variable', () => {
  const environment = { MESH_PORT: '70000', MESH_PUBLIC_URL: 'ftp://x', MESH_SKILL_DELAY: 'long' };
  for (const name of Object.keys(environment)) expect(() => parseAgentConfig(environment)).toThrowError(name);
});

it.each([
  ['250', { '*': 250 }],
  ['write=250,format=50', { write: 250, format: 50 }],
])('slows skills down by %s', (text, delays) => {
  expect(parseAgentConfig({ MESH_SKILL_DELAY: text }).skillDelaysMs).toEqual(delays);
});

it('is extended by the variables of an agent', () => {
  const schema = agentEnvironment.extend({ MESH_MODEL: z.string().default('offline') });
  expect(parseEnvironment(schema, { MESH_PORT: '4101' })).toMatchObject({ MESH_PORT: 4101, MESH_MODEL: 'offline' });
});

it('becomes the settings of a server', () => {
  const settings = serverSettings(parseAgentConfig({ MESH_DATA: '/data/writer', MESH_TOKEN: 't', MESH_PORT: '4101' }));
  expect(settings).toEqual({
    database: { path: '/data/writer/store.db', durability: 'full' },
    host: '127.0.0.1',
    port: 4101,
    token: 't',
    skillDelaysMs: {},
  });
});
