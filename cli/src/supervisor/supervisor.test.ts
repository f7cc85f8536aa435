import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { watchedCommand } from '@daca-mesh/dapr';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { connectControl } from './control-client.ts';
import { readConfig } from '../config.ts';
import { locateMesh } from '../mesh-location.ts';
import { tryReadMeshState } from '../mesh-state.ts';
import type { AgentSpec, ProcessSpec } from './process-spec.ts';
import type { ProcessEvent, RestartPolicy } from './supervised-process.ts';
import { startSupervisor, type Supervisor } from './supervisor.ts';

const fixture = fileURLToPath(new URL('../../test/fixtures/agent/', import.meta.url));
const config = readConfig({});
const patient = { timeout: 20_000, interval: 50 };

let dataFolder: string;
let events: ProcessEvent[];
let running: Supervisor[];

beforeEach(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'mesh-supervisor-'));
  events = [];
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((mesh) => mesh.stop()));
  await rm(dataFolder, { recursive: true, force: true });
});

const spec = (name: string, more: Partial<AgentSpec> = {}): AgentSpec => ({
  name,
  command: process.execPath,
  args: [join(fixture, 'src/main.ts')],
  folder: fixture,
  dataFolder: join(dataFolder, name),
  logPath: join(dataFolder, 'logs', `${name}.jsonl`),
  env: {},
  readiness: { kind: 'announced', host: '127.0.0.1', port: 0 },
  ...more,
});

/** The fixture behind a health URL, run as a program that does not look after its parent. */
const program = async (name: string, more: Partial<ProcessSpec> = {}): Promise<ProcessSpec> => {
  const port = await freePort();
  return {
    ...spec(name),
    ...watchedCommand(process.execPath, [join(fixture, 'src/main.ts')]),
    env: { MESH_PORT: String(port) },
    readiness: { kind: 'probed', healthUrl: `http://127.0.0.1:${port}/`, url: `http://127.0.0.1:${port}` },
    ...more,
  };
};

async function start(
  specs: ProcessSpec[],
  policy: Partial<RestartPolicy> = {},
  environment: Record<string, string> = {},
): Promise<Supervisor> {
  const mesh = await startSupervisor({
    specs,
    dataFolder,
    environment: { PATH: process.env['PATH'] ?? '', ...environment },
    onEvent: (event) => events.push(event),
    policy: { initialDelayMs: 20, maxDelayMs: 160, stopTimeoutMs: 2000, ...policy },
  });
  running.push(mesh);
  return mesh;
}

const processOf = (mesh: Supervisor, name: string) => {
  const found = mesh.processes.find((process) => process.name === name);
  if (found === undefined) throw new Error(`no process ${name}`);
  return found;
};

/** What a fixture was started with; it answers every request with that. */
async function environmentOf(url: string | undefined): Promise<Record<string, string>> {
  const environment: unknown = await (await fetch(url ?? '')).json();
  return z.record(z.string(), z.string()).parse(environment);
}

const portOf = (server: Server): number => {
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('startSupervisor', () => {
  it('tells the coordinator where the peers listen', async () => {
    const mesh = await start([spec('coordinator'), spec('alpha'), spec('beta')]);
    await mesh.ready();
    const environment = await environmentOf(mesh.url);
    expect(environment['MESH_PEERS']?.split(',')).toEqual([processOf(mesh, 'alpha').url, processOf(mesh, 'beta').url]);
    expect(environment['MESH_DATA']).toBe(join(dataFolder, 'coordinator'));
  });

  it('tells every agent where the coordinator will listen, whatever was inherited', async () => {
    const mesh = await start([spec('coordinator'), spec('alpha')], {}, { MESH_URL: 'http://other' });
    await mesh.ready();
    expect((await environmentOf(processOf(mesh, 'alpha').url ?? ''))['MESH_URL']).toBe(mesh.url);
    await mesh.stop();
    const alone = await start([spec('alpha')], {}, { MESH_URL: 'http://other' });
    await alone.ready();
    expect(await environmentOf(processOf(alone, 'alpha').url ?? '')).not.toHaveProperty('MESH_URL');
  });

  it('tells another agent that calls others where they listen, and the coordinator where that one does', async () => {
    const mesh = await start([spec('coordinator'), spec('caller', { callsPeers: true }), spec('alpha')]);
    await mesh.ready();
    const [alpha, caller] = [processOf(mesh, 'alpha').url ?? '', processOf(mesh, 'caller').url ?? ''];
    expect((await environmentOf(caller))['MESH_PEERS']).toBe(alpha);
    expect((await environmentOf(mesh.url))['MESH_PEERS']).toBe(`${caller},${alpha}`);
    expect(await environmentOf(alpha)).not.toHaveProperty('MESH_PEERS');
  });

  it('goes on while what other commands find it by cannot be written, and writes it again once it can', async () => {
    const mesh = await start([spec('alpha')]);
    await mesh.ready();
    const state = join(dataFolder, 'mesh.json');
    await rm(state);
    await mkdir(state);
    const { pid } = processOf(mesh, 'alpha');
    process.kill(pid ?? 0, 'SIGKILL');
    await expect.poll(() => processOf(mesh, 'alpha'), patient).toMatchObject({ status: 'ready', restarts: 1 });
    expect((await readdir(dataFolder)).filter((name) => name.startsWith('mesh.json'))).toEqual(['mesh.json']);
    await rm(state, { recursive: true });
    process.kill(processOf(mesh, 'alpha').pid ?? 0, 'SIGKILL');
    await expect
      .poll(() => tryReadMeshState(dataFolder)?.processes, patient)
      .toMatchObject([{ status: 'ready', restarts: 2 }]);
  });

  it('starts the coordinator without a peer that cannot start', async () => {
    const mesh = await start([spec('coordinator'), spec('alpha'), spec('broken', { env: { FIXTURE_MODE: 'crash' } })]);
    await expect.poll(() => processOf(mesh, 'coordinator').status, { timeout: 10_000 }).toBe('ready');
  });

  it('tells the coordinator of a peer that came late', async () => {
    const gate = join(dataFolder, 'gate');
    const late = spec('late', { env: { FIXTURE_MODE: 'gated', FIXTURE_GATE: gate } });
    const mesh = await start([spec('coordinator'), spec('alpha'), late]);
    await expect.poll(() => processOf(mesh, 'coordinator').status, { timeout: 10_000 }).toBe('ready');
    await writeFile(gate, '');
    await expect.poll(() => processOf(mesh, 'late').status, { timeout: 10_000 }).toBe('ready');
    await mesh.ready();
    const environment = await environmentOf(mesh.url);
    expect(environment['MESH_PEERS']).toBe(`${processOf(mesh, 'alpha').url},${processOf(mesh, 'late').url}`);
  });

  it('starts a killed process again at the same address', async () => {
    const mesh = await start([spec('alpha')]);
    await mesh.ready();
    const before = processOf(mesh, 'alpha');
    await mesh.kill('alpha', { down: false });
    expect(isAlive(before.pid ?? 0)).toBe(false);
    await mesh.ready();
    expect(processOf(mesh, 'alpha')).toMatchObject({ status: 'ready', restarts: 1, url: before.url });
    expect(processOf(mesh, 'alpha').pid).not.toBe(before.pid);
    expect(events).toContainEqual(expect.objectContaining({ type: 'died', reason: 'SIGKILL', restartInMs: 20 }));
  });

  it('doubles the delay of a process that keeps dying, up to the limit, and reports its last error', async () => {
    await start([spec('broken', { env: { FIXTURE_MODE: 'crash' } })]);
    await expect.poll(() => events.length, { timeout: 15_000 }).toBeGreaterThanOrEqual(5);
    expect(events.slice(0, 5).map((event) => event.restartInMs)).toEqual([20, 40, 80, 160, 160]);
    expect(events[0]).toMatchObject({ reason: 'exit code 3', lastError: 'Error: this fixture always crashes' });
  });

  it('starts the delay over once a process was healthy', async () => {
    const mesh = await start([spec('alpha')], { healthyAfterMs: 0 });
    for (let round = 0; round < 3; round += 1) {
      await mesh.ready();
      await mesh.kill('alpha', { down: false });
    }
    expect(events.filter(({ type }) => type === 'died').map((event) => event.restartInMs)).toEqual([20, 20, 20]);
  });

  it('leaves a process down until it is restarted', async () => {
    const mesh = await start([spec('alpha')], { initialDelayMs: 1 });
    await mesh.ready();
    const { url } = processOf(mesh, 'alpha');
    expect(await mesh.kill('alpha', { down: true })).toMatchObject({ status: 'down', pid: null });
    await expect(fetch(url ?? '')).rejects.toThrow('fetch failed');
    expect(processOf(mesh, 'alpha').status).toBe('down');
    expect(await mesh.restart('alpha')).toMatchObject({ status: 'ready', url, restarts: 1 });
  });

  it('restarts a running process without counting it as a crash', async () => {
    const mesh = await start([spec('alpha')]);
    await mesh.ready();
    const { pid, url } = processOf(mesh, 'alpha');
    const after = await mesh.restart('alpha');
    expect(after).toMatchObject({ status: 'ready', url });
    expect(after.pid).not.toBe(pid);
    expect(events.map(({ type }) => type)).toEqual(['ready', 'ready']);
  });

  it('kills what ignores SIGTERM when the time is up, and at once when forced', async () => {
    const specs = [spec('stubborn', { env: { FIXTURE_MODE: 'stubborn' } })];
    const mesh = await start(specs, { stopTimeoutMs: 100 });
    await mesh.ready();
    const { pid } = processOf(mesh, 'stubborn');
    await mesh.stop();
    expect(isAlive(pid ?? 0)).toBe(false);

    const forced = await start(specs, { stopTimeoutMs: 60_000 });
    await forced.ready();
    await forced.stop(AbortSignal.abort());
    expect(processOf(forced, 'stubborn').status).toBe('stopped');
  });

  it('refuses a second mesh on the same data, and lets one in after the first has stopped', async () => {
    const first = await start([spec('alpha')]);
    await expect(start([spec('alpha')])).rejects.toMatchObject({
      code: 'DATABASE_LOCKED',
      message: expect.stringContaining(`pid ${process.pid}`),
    });
    await first.stop();
    const second = await start([spec('alpha')]);
    await second.ready();
  });

  it('names the port that is taken, and starts nothing', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = portOf(other);
    await expect(
      start([spec('alpha'), spec('beta', { readiness: { kind: 'announced', host: '127.0.0.1', port } })]),
    ).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringContaining(`port ${port}, meant for beta`),
    });
    expect(tryReadMeshState(dataFolder)).toBeUndefined();
    other.close();
  });

  it('keeps what the processes write in one log each', async () => {
    const mesh = await start([spec('alpha'), spec('broken', { env: { FIXTURE_MODE: 'crash' } })]);
    await expect.poll(() => events.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    expect(await readFile(join(dataFolder, 'logs/alpha.jsonl'), 'utf8')).toContain('"msg":"listening"');
    const [line] = (await readFile(join(dataFolder, 'logs/broken.jsonl'), 'utf8')).split('\n');
    expect(JSON.parse(line ?? '')).toMatchObject({ stream: 'stderr', msg: 'Error: this fixture always crashes' });
    await mesh.stop();
  });
});

describe('a process that is no agent', () => {
  it('is ready when its health URL answers, under its own process id', async () => {
    const mesh = await start([await program('engine')]);
    await mesh.ready();
    const { pid, url } = processOf(mesh, 'engine');
    expect(url).toMatch(/^http:/);
    process.kill(pid ?? 0, 'SIGKILL');
    await expect.poll(() => processOf(mesh, 'engine').restarts, { timeout: 10_000 }).toBe(1);
    await mesh.ready();
    expect(processOf(mesh, 'engine')).toMatchObject({ status: 'ready', url });
    expect(events).toContainEqual(expect.objectContaining({ type: 'died', reason: 'SIGKILL' }));
  });

  it('is not ready while its health URL does not answer 2xx', async () => {
    const other = createHttpServer((_, response) => response.writeHead(500).end()).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const healthUrl = `http://127.0.0.1:${portOf(other)}/`;
    const mesh = await start([await program('engine', { readiness: { kind: 'probed', healthUrl } }), spec('alpha')]);
    await expect.poll(() => processOf(mesh, 'alpha').status, { timeout: 10_000 }).toBe('ready');
    expect(processOf(mesh, 'engine').status).toBe('starting');
    other.removeAllListeners('request').on('request', (_, response) => response.end());
    await mesh.ready();
    expect(processOf(mesh, 'engine')).toMatchObject({ status: 'ready', url: null });
    other.closeAllConnections();
    other.close();
  });

  it('is no peer of the coordinator, is not told of the agents, and the coordinator is told of it', async () => {
    const mesh = await startSupervisor({
      specs: [spec('coordinator'), spec('alpha')],
      engine: async () => ({ processes: [await program('engine')], environment: { MESH_ENGINE: 'dapr' }, asides: [] }),
      dataFolder,
      environment: { PATH: process.env['PATH'] ?? '', MESH_TOKEN: 'secret' },
    });
    running.push(mesh);
    await mesh.ready();
    const told = await environmentOf(mesh.url);
    expect(told).toMatchObject({ MESH_ENGINE: 'dapr', MESH_PEERS: processOf(mesh, 'alpha').url });
    expect(await environmentOf(processOf(mesh, 'engine').url ?? '')).not.toHaveProperty('MESH_TOKEN');
    expect(await environmentOf(processOf(mesh, 'alpha').url ?? '')).not.toHaveProperty('MESH_ENGINE');
  });

  it('is not started, nor is its state touched, in a mesh without a coordinator', async () => {
    let prepared = 0;
    const mesh = await startSupervisor({
      specs: [spec('alpha')],
      engine: async () => {
        prepared += 1;
        return { processes: [await program('engine')], environment: {}, asides: [] };
      },
      dataFolder,
      environment: {},
    });
    running.push(mesh);
    expect({ prepared, names: mesh.processes.map(({ name }) => name) }).toEqual({ prepared: 0, names: ['alpha'] });
  });

  it('ends when the process is gone that it serves, not before', async () => {
    const engine = await program('engine', { endsAfter: ['stubborn'] });
    const mesh = await start([spec('stubborn', { env: { FIXTURE_MODE: 'stubborn' } }), engine], { stopTimeoutMs: 300 });
    await mesh.ready();
    const [served, serving] = [processOf(mesh, 'stubborn').pid ?? 0, processOf(mesh, 'engine').pid ?? 0];
    const seen: string[] = [];
    const look = setInterval(() => seen.push(`${isAlive(served)} ${isAlive(serving)}`), 5);
    await mesh.stop();
    clearInterval(look);
    expect(seen).toContain('true true');
    expect(seen).not.toContain('true false');
    expect(isAlive(serving)).toBe(false);
  });
});

describe('the state file and the control server', () => {
  it('show every change, to the owner only, and are gone with the mesh', async () => {
    const mesh = await start([spec('coordinator'), spec('alpha')]);
    await mesh.ready();
    expect(tryReadMeshState(dataFolder)).toMatchObject({ pid: process.pid, url: mesh.url, processes: mesh.processes });
    expect((await stat(join(dataFolder, 'mesh.json'))).mode & 0o777).toBe(0o600);
    const state = tryReadMeshState(dataFolder);
    await mesh.stop();
    expect(tryReadMeshState(dataFolder)).toBeUndefined();
    await expect(fetch(`${state?.control.url}/processes`)).rejects.toThrow('fetch failed');
  });

  it('kill and restart from another process', async () => {
    const mesh = await start([spec('alpha')]);
    await mesh.ready();
    const control = connectControl(locateMesh({ data: dataFolder }, config));
    expect(await control.processes()).toEqual(mesh.processes);
    expect(await control.kill('alpha', { down: true })).toMatchObject({ status: 'down' });
    expect(await control.restart('alpha')).toMatchObject({ status: 'ready' });
    await expect(control.kill('nobody', { down: false })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('restart with variables beside its own, until the next restart', async () => {
    const mesh = await start([spec('alpha', { env: { MESH_MODEL: 'own' } })]);
    await mesh.ready();
    const control = connectControl(locateMesh({ data: dataFolder }, config));
    const { url } = await control.restart('alpha', { MESH_MODEL: 'other', MESH_DATA: '/elsewhere' });
    const told = { MESH_MODEL: 'other', MESH_DATA: join(dataFolder, 'alpha') };
    expect(await environmentOf(url ?? '')).toMatchObject(told);
    await control.kill('alpha', { down: false });
    await mesh.ready();
    expect(await environmentOf(url ?? '')).toMatchObject(told);
    for (const env of [{ 'A=B': 'c' }, { A: 'b\0c' }, { A: 'b'.repeat(5_000) }]) {
      await expect(control.restart('alpha', env)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    await control.restart('alpha');
    expect(await environmentOf(url ?? '')).toMatchObject({ MESH_MODEL: 'own' });
  });

  it('answer nothing without the token', async () => {
    const mesh = await start([spec('alpha')]);
    const state = tryReadMeshState(dataFolder);
    const url = `${state?.control.url}/processes/alpha/kill?down=true`;
    const [missing, wrong] = await Promise.all([
      fetch(url, { method: 'POST' }),
      fetch(url, { method: 'POST', headers: { authorization: 'Bearer no' } }),
    ]);
    expect([missing.status, wrong.status]).toEqual([401, 401]);
    await mesh.ready();
    expect(processOf(mesh, 'alpha').status).toBe('ready');
  });
});
