import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tokenDigest } from '../principal.ts';
import { agentEnvironment, parseAgentConfig, parseEnvironment, serverSettings } from './agent-config.ts';
import { testFolder } from './testing/test-agent.ts';

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

it.each(['nats://', 'nats://user:100%@host', 'nats://host:port', 'nats://host,http://other', 'host:4222'])(
  'refuses %s as the address of NATS, and repeats no password',
  (url) => {
    const parse = () => parseAgentConfig({ NATS_URL: url });
    expect(parse).toThrow(/NATS_URL: expected nats:/u);
    expect(parse).not.toThrow(/100%/u);
    expect(parseAgentConfig({ NATS_URL: 'nats://user:100%25@host,tls://[::1]:4222' }).natsUrl).toContain('::1');
  },
);

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

const fileOf = async (text: string): Promise<string> => {
  const path = join(await testFolder(), 'principals.json');
  await writeFile(path, text);
  return path;
};
describe('the file of principals', () => {
  const ann = { name: 'ann', tokenSha256: tokenDigest('one'), roles: ['manager'] };

  it('says who has a token of their own', async () => {
    const environment = { MESH_PRINCIPALS: await fileOf(JSON.stringify([ann])), MESH_TOKEN: 't' };
    expect(serverSettings(parseAgentConfig(environment)).principals).toEqual([ann]);
  });

  it('needs the token of the mesh beside it', async () => {
    const environment = { MESH_PRINCIPALS: await fileOf(JSON.stringify([ann])) };
    expect(() => parseAgentConfig(environment)).toThrowError('MESH_TOKEN: is needed with MESH_PRINCIPALS');
  });

  it('counts also where it names nobody', async () => {
    const environment = { MESH_PRINCIPALS: await fileOf('[]'), MESH_TOKEN: 't' };
    expect(serverSettings(parseAgentConfig(environment)).principals).toEqual([]);
    expect(() => parseAgentConfig({ ...environment, MESH_TOKEN: '' })).toThrowError('MESH_TOKEN: is needed');
  });

  it('has nobody with the token of the mesh', async () => {
    const environment = { MESH_PRINCIPALS: await fileOf(JSON.stringify([ann])), MESH_TOKEN: 'one' };
    expect(() => parseAgentConfig(environment)).toThrowError('MESH_TOKEN: is the token of ann');
  });

  it('is refused with everything that is wrong with it, among the other problems', async () => {
    const path = await fileOf(
      JSON.stringify([
        { ...ann, name: '' },
        { ...ann, roles: 'manager' },
      ]),
    );
    const parse = () => parseAgentConfig({ MESH_PRINCIPALS: path, MESH_TOKEN: 't', MESH_PORT: 'x' });
    for (const problem of ['MESH_PORT', `MESH_PRINCIPALS: ${path}: 0.name`, `MESH_PRINCIPALS: ${path}: 1.roles`]) {
      expect(parse).toThrowError(problem);
    }
  });

  it('is refused without a word of what is in it, where it is no JSON or not there', async () => {
    const path = await fileOf('mesh_the-token-itself');
    expect(() => parseAgentConfig({ MESH_PRINCIPALS: path })).toThrowError(/^(?!.*the-token-itself)[^]*is not JSON/);
    expect(() => parseAgentConfig({ MESH_PRINCIPALS: `${path}.none` })).toThrowError('ENOENT');
  });
});
