import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StateStore } from '@daca-mesh/dapr';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../config.ts';
import { chooseEngine } from './engine-choice.ts';
import { type MeshEngine, prepareEngine } from './engine.ts';

const binaries = { daprd: '/bin/daprd', scheduler: '/bin/scheduler', placement: '/bin/placement', builtHere: false };
const dapr = (store: StateStore = { kind: 'sqlite' }) => ({ kind: 'dapr', binaries, store }) as const;
const postgres = (url: string): StateStore => ({ kind: 'postgres', connectionString: url });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mesh-engine-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const appIdOf = ({ processes }: MeshEngine): string | undefined =>
  processes.flatMap(({ args }) => args).find((argument) => argument.startsWith('--app-id='));

const prepare = (choice: Parameters<typeof prepareEngine>[0]) => prepareEngine(choice, folder);

describe('chooseEngine', () => {
  it('takes the option, then the environment, then the embedded engine', () => {
    const endpoint = { DAPR_GRPC_ENDPOINT: '127.0.0.1:50001' };
    expect(chooseEngine({}, readConfig({}))).toEqual({ kind: 'embedded' });
    expect(chooseEngine({}, readConfig(endpoint))).toEqual({ kind: 'external', endpoint: '127.0.0.1:50001' });
    expect(chooseEngine({}, readConfig({ ...endpoint, MESH_ENGINE: 'embedded' }))).toEqual({ kind: 'embedded' });
    expect(chooseEngine({ engine: 'embedded' }, readConfig({ MESH_ENGINE: 'dapr' }))).toEqual({ kind: 'embedded' });
  });

  it('says how to get Dapr where it is missing', () => {
    const nowhere = readConfig({ PATH: folder, HOME: folder, MESH_ENGINE: 'dapr' });
    expect(() => chooseEngine({}, nowhere)).toThrow(/dapr init --slim/);
  });

  it.each([
    [{ engine: 'dapr', daprState: 'postgres://me:geheim@db/mesh' } as const, {}, /MESH_DAPR_STATE, or PGPASSWORD/],
    [{ engine: 'dapr', daprState: 'mysql://me:geheim@db/mesh' } as const, {}, /"sqlite" or a postgres:\/\/ URL/],
    [{ engine: 'dapr' } as const, { MESH_DAPR_STATE: 'me:geheim@db' }, /MESH_DAPR_STATE must be "sqlite"/],
    [{ engine: 'embedded', daprState: 'sqlite' } as const, {}, /about --engine dapr/],
    [{ daprState: 'sqlite' }, { DAPR_GRPC_ENDPOINT: '127.0.0.1:50001' }, /DAPR_GRPC_ENDPOINT names another/],
  ])('refuses %j with %j, and repeats no password', (options, environment, message) => {
    const choose = () => chooseEngine(options, readConfig(environment));
    expect(choose).toThrow(message);
    expect(choose).not.toThrow(/geheim/);
  });
});

describe('prepareEngine', () => {
  const embeddedFiles = ['engine.db', 'engine.db-wal', 'engine.db-shm'];
  const writeEmbedded = () => {
    mkdirSync(join(folder, 'coordinator'), { recursive: true });
    for (const name of [...embeddedFiles, 'coordinator.db']) writeFileSync(join(folder, 'coordinator', name), name);
  };

  it('puts aside what the other engine kept, whole, and nothing else', async () => {
    writeEmbedded();
    const { asides } = await prepare(dapr());
    expect(asides).toHaveLength(1);
    expect(readFileSync(`${asides[0]}-wal`, 'utf8')).toBe('engine.db-wal');
    expect(readdirSync(join(folder, 'coordinator'))).toHaveLength(4);
    expect(readdirSync(join(folder, 'coordinator'))).not.toContain('engine.db');
    expect(readFileSync(join(folder, 'coordinator/coordinator.db'), 'utf8')).toBe('coordinator.db');

    const back = await prepare({ kind: 'embedded' });
    expect(back).toMatchObject({ processes: [], environment: { MESH_ENGINE: 'embedded' } });
    expect(readdirSync(back.asides[0] ?? '')).toContain('identity.json');
    expect(readdirSync(folder)).not.toContain('dapr');
  });

  it('leaves its own state where it is', async () => {
    writeEmbedded();
    expect((await prepare({ kind: 'embedded' })).asides).toEqual([]);
    const first = await prepare(dapr());
    const second = await prepare(dapr());
    expect(second).toEqual({ ...first, asides: [] });
  });

  it('gives an external Dapr nothing that was begun on another engine', async () => {
    await prepare(dapr());
    writeEmbedded();
    const { environment, asides } = await prepare({ kind: 'external', endpoint: 'dapr.example:50001' });
    expect(environment).toEqual({ MESH_ENGINE: 'dapr', DAPR_GRPC_ENDPOINT: 'dapr.example:50001' });
    expect(asides).toHaveLength(2);
  });

  it('keeps the token out of arguments and from other users', async () => {
    const { processes, environment } = await prepare(dapr(postgres('postgres://me:geheim@127.0.0.1/mesh')));
    const args = processes.flatMap((process) => process.args).join(' ');
    expect(environment['DAPR_API_TOKEN']).toMatch(/^[\w-]{43}$/);
    expect(args).not.toContain(environment['DAPR_API_TOKEN']);
    expect(args).not.toContain('geheim');
    const files = ['dapr/identity.json', 'dapr/resources/state-store.yaml'];
    for (const file of files) expect(statSync(join(folder, file)).mode & 0o077).toBe(0);
    expect(statSync(join(folder, 'dapr')).mode & 0o077).toBe(0);
    expect(readFileSync(join(folder, 'dapr/identity.json'), 'utf8')).not.toContain('geheim');
  });

  it('begins anew with another state store, but not for another password', async () => {
    const first = await prepare(dapr(postgres('postgres://me:old@127.0.0.1/mesh')));
    const renewed = await prepare(dapr(postgres('postgres://me:new@127.0.0.1:5432/mesh')));
    expect(appIdOf(renewed)).toBe(appIdOf(first));
    const other = await prepare(dapr());
    expect(other.asides).toHaveLength(1);
    const back = await prepare(dapr(postgres('postgres://me:new@127.0.0.1/mesh')));
    expect(new Set([first, other, back].map(appIdOf)).size).toBe(3);
  });

  it('takes other ports when one of its own is taken, and stays the same otherwise', async () => {
    const first = await prepare(dapr());
    const port = Number(first.environment['DAPR_GRPC_ENDPOINT']?.split(':')[1]);
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    const second = await prepare(dapr());
    other.close();
    expect(second.environment['DAPR_GRPC_ENDPOINT']).not.toBe(first.environment['DAPR_GRPC_ENDPOINT']);
    expect(second.environment['DAPR_API_TOKEN']).toBe(first.environment['DAPR_API_TOKEN']);
    expect(second.asides).toEqual([]);
  });

  it('ends daprd after the coordinator, and what daprd needs after daprd', async () => {
    const { processes } = await prepare(dapr());
    expect(Object.fromEntries(processes.map(({ name, endsAfter }) => [name, endsAfter]))).toEqual({
      daprd: ['coordinator'],
      scheduler: ['daprd'],
      placement: ['daprd'],
    });
  });
});
