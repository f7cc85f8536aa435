import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { meshComposition } from '@daca-mesh/agent-cards';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../mesh/mesh.ts';
import { freeMeshPorts } from '../mesh/mesh-up.ts';
import { readComposeFile, type Service } from './compose-file.ts';

/** `compose.yaml`, read as Docker Compose reads it; and its commands and environment, started without containers. */

const root = resolve(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'compose.yaml'), 'utf8');
const token = 'a-token-of-the-test';
/** What validates it is a program in Go, with modules to be fetched at first. */
const isWanted = process.env['CI'] === 'true' || process.env['MESH_TEST_COMPOSE'] === '1';

describe.skipIf(!isWanted)('compose.yaml (CI=true or MESH_TEST_COMPOSE=1 asks for it)', () => {
  let services: Record<string, Service>;
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mesh-compose-'));
    const outcome = readComposeFile({ MESH_TOKEN: token });
    if ('problem' in outcome) throw new Error(outcome.problem);
    ({ services } = outcome.project);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const serviceOf = (name: string): Service => {
    const service = services[name];
    if (!service) throw new Error(`no service ${name}`);
    return service;
  };

  it('runs everybody of the local mesh, where and as the local mesh does', () => {
    const infrastructure = new Set(['nats', 'daprd', 'placement', 'scheduler']);
    const agents = Object.keys(services).filter((name) => !infrastructure.has(name));
    expect(agents.sort()).toEqual(meshComposition.map(({ name }) => name).sort());
    const origins = meshComposition.map(({ name }, index) => `http://${name}:${4_100 + index}`);
    for (const [index, { name, package: folderName, env }] of meshComposition.entries()) {
      const { command, environment, healthcheck, profiles } = serviceOf(name);
      expect({ name, command, profiles }).toEqual({
        name,
        command: [`${folderName}/src/main.ts`],
        profiles: undefined,
      });
      expect(healthcheck?.test).toEqual(['CMD', 'node', 'deploy/compose/healthcheck.mjs']);
      expect(environment).toMatchObject({
        ...env,
        MESH_PORT: String(4_100 + index),
        MESH_TOKEN: token,
        // People reach the coordinator from outside of the containers' network.
        MESH_PUBLIC_URL: name === 'coordinator' ? 'http://localhost:4100' : origins[index],
      });
    }
    expect(serviceOf('coordinator').environment?.['MESH_PEERS']?.split(/\s+/)).toEqual(origins.slice(1));
  });

  it('keeps what must last, pins its images, and lets nobody in from elsewhere', () => {
    const volumes = Object.values(services).flatMap((service) => service.volumes ?? []);
    const kept = volumes.filter(({ type }) => type === 'volume').map(({ source }) => source);
    expect(kept).toEqual([...new Set(kept)]);
    expect(kept).toEqual(expect.arrayContaining(['nats', ...meshComposition.map(({ name }) => name)]));
    // Whoever is there without Dapr is waited for, as `docker compose up --wait` and depends_on do.
    const always = Object.values(services).filter(({ profiles }) => profiles === undefined);
    expect(always.filter(({ healthcheck }) => healthcheck === undefined)).toEqual([]);
    const images = Object.values(services).map(({ image }) => image);
    expect(images.filter((image) => !/:\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(image))).toEqual([]);
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);
    expect(ports.map((port) => port.host_ip)).toEqual(['127.0.0.1']);
  });

  it('holds no secret and does not start without one', () => {
    expect(text).not.toMatch(/^ *\w*(?:TOKEN|KEY|PASSWORD|SECRET):(?! *\$\{)/m);
    expect(readComposeFile({})).toMatchObject({ problem: expect.stringContaining('npx mesh env') });
  });

  it('is validated: an unknown key and an unknown service are errors', () => {
    for (const [wanted, broken] of [
      ['healthchek', text.replace('healthcheck:', 'healthchek:')],
      ['nowhere', text.replace('nats: { condition', 'nowhere: { condition')],
    ] as const) {
      const file = join(folder, 'compose.yaml');
      writeFileSync(file, broken);
      expect(readComposeFile({ MESH_TOKEN: token }, file)).toMatchObject({ problem: expect.stringContaining(wanted) });
    }
  });

  it('has commands and an environment that make a working mesh', { timeout: 90_000 }, async () => {
    const chosen = ['coordinator', 'keyword-extractor', 'writer', 'formatter'];
    const port = await freeMeshPorts();
    const native = (value: string): string =>
      value.replaceAll(/http:\/\/[\w-]+:41(\d\d)/g, (_, index: string) => `http://127.0.0.1:${port + Number(index)}`);
    const processes = chosen.map((name) => {
      const { command, environment } = serviceOf(name);
      // Without the container around them: loopback instead of its network, a folder instead of its volume, no broker.
      const { NATS_URL: _, ...env } = Object.fromEntries(
        Object.entries(environment ?? {}).map(([key, value]) => [key, native(value)]),
      );
      const ownPort = String(port + Number(env['MESH_PORT']) - 4_100);
      return start(command, { ...env, MESH_HOST: '127.0.0.1', MESH_DATA: join(folder, name), MESH_PORT: ownPort });
    });
    try {
      await Promise.all(
        processes.map(({ env }) =>
          eventually(
            () => checkHealth(env),
            (code) => code === 0,
            { what: 'health' },
          ),
        ),
      );
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const url = `http://127.0.0.1:${port}`;
      expect((await fetch(`${url}/runs`)).status).toBe(401);
      const started = await fetch(`${url}/workflows/content-pipeline`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ text: 'Containers keep what they need in volumes.' }),
      });
      expect(started.status).toBe(202);
      const run = await eventually(
        async () => (await fetch(`${url}${started.headers.get('location')}`, { headers })).json(),
        // The shape of a run is the API's.
        (body) => ['completed', 'failed'].includes((body as { status: string }).status),
        { what: 'the end of the run' },
      );
      expect(run).toMatchObject({ status: 'completed', output: { model: 'offline' } });
    } finally {
      for (const { child } of processes) child.kill('SIGTERM');
      const codes = await Promise.all(processes.map(({ ended }) => ended));
      expect(codes).toEqual(chosen.map(() => 0));
    }
  });
});

interface Started {
  child: ChildProcess;
  env: Record<string, string>;
  ended: Promise<number | null>;
}

function start(args: string[], env: Record<string, string>): Started {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { PATH: process.env['PATH'], ...env },
    stdio: 'ignore',
  });
  // The first argument of the event.
  return { child, env, ended: once(child, 'exit').then(([code]) => code as number | null) };
}

async function checkHealth(env: Record<string, string>): Promise<number | null> {
  return start(['deploy/compose/healthcheck.mjs'], env).ended;
}
