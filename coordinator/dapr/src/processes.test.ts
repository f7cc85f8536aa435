import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freeDaprPorts } from './ports.ts';
import { type DaprOptions, daprProcesses } from './processes.ts';

const binaries = { daprd: '/dapr/daprd', scheduler: '/dapr/scheduler', placement: '/dapr/placement', builtHere: true };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dapr-processes-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const processes = async (options: Partial<DaprOptions> = {}) =>
  daprProcesses({ binaries, ports: await freeDaprPorts(), folder, ...options });
const read = (...path: string[]) => JSON.parse(readFileSync(join(folder, ...path), 'utf8'));

describe('the programs of Dapr', () => {
  it('have ports of their own', async () => {
    const ports = Object.values(await freeDaprPorts());
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('are told of each other and of loopback', async () => {
    const ports = await freeDaprPorts();
    const [placement, scheduler, daprd] = await processes({ ports });
    expect(placement?.args).toContain(`--port=${ports.placement}`);
    expect(scheduler?.args).toContain(`--port=${ports.scheduler}`);
    expect(daprd?.args).toEqual(
      expect.arrayContaining([
        '--dapr-listen-addresses=127.0.0.1',
        `--placement-host-address=127.0.0.1:${ports.placement}`,
        `--scheduler-host-address=127.0.0.1:${ports.scheduler}`,
      ]),
    );
  });

  it('are given no secret on their command line, where others can see it', async () => {
    const secret = 'host=db password=hunter2';
    const all = await processes({ apiToken: 'a-token', store: { kind: 'postgres', connectionString: secret } });
    expect(all.flatMap(({ args }) => args).filter((arg) => /hunter2|a-token/.test(arg))).toEqual([]);
    expect(all.at(-1)?.env).toMatchObject({ DAPR_API_TOKEN: 'a-token' });
    expect(statSync(join(folder, 'resources', 'state-store.yaml')).mode & 0o777).toBe(0o600);
  });

  it('keep their state in SQLite by default, and wait for its lock', async () => {
    await processes();
    const { spec } = read('resources', 'state-store.yaml');
    expect(spec).toMatchObject({ type: 'state.sqlite', version: 'v1' });
    expect(spec.metadata).toEqual(
      expect.arrayContaining([
        { name: 'connectionString', value: join(folder, 'state.db') },
        { name: 'busyTimeout', value: '20s' },
        { name: 'actorStateStore', value: 'true' },
      ]),
    );
  });

  it('keep their state in PostgreSQL if asked to', async () => {
    await processes({ store: { kind: 'postgres', connectionString: 'host=db' } });
    const { spec } = read('resources', 'state-store.yaml');
    expect(spec).toMatchObject({ type: 'state.postgresql', version: 'v2' });
  });

  it('ask the network for no names if they were built here', async () => {
    await processes();
    expect(read('configuration.yaml').spec).toMatchObject({ nameResolution: { component: 'sqlite' } });
    await processes({ binaries: { ...binaries, builtHere: false } });
    expect(read('configuration.yaml').spec).toEqual({});
  });
});
