import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProcessInfo } from '../src/mesh-state.ts';
import { type MeshCommand, runMesh, startMesh } from './mesh-command.ts';

const fixture = fileURLToPath(new URL('./fixtures/agent', import.meta.url));

const member = (name: string, env = {}) => ({ name, package: fixture, card: name, env });

let folder: string;
let started: MeshCommand[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-up-'));
  started = [];
  const members = [member('coordinator'), member('alpha'), member('stubborn', { FIXTURE_MODE: 'stubborn' })];
  await writeFile(join(folder, 'mesh.json'), JSON.stringify(members));
});

afterEach(async () => {
  for (const { child } of started) if (child.exitCode === null) child.kill('SIGKILL');
  await Promise.all(started.map(({ finished }) => finished));
  await rm(folder, { recursive: true, force: true });
});

function up(args: string[] = [], env: Record<string, string> = {}): MeshCommand {
  const command = startMesh(['up', '--json', '--composition', 'mesh.json', '--port', '0', ...args], {
    cwd: folder,
    env,
  });
  started.push(command);
  return command;
}

const isUp = (line: Record<string, unknown>) => line['type'] === 'up';
const mesh = (...args: string[]) => runMesh(args, { cwd: folder });

async function processes(): Promise<ProcessInfo[]> {
  const { stdout } = await mesh('ps', '--json');
  // Printed by `mesh ps --json`.
  return (JSON.parse(stdout) as { processes: ProcessInfo[] }).processes;
}

const pidsOf = async (): Promise<number[]> => (await processes()).flatMap(({ pid }) => pid ?? []);

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('mesh up', () => {
  it('keeps a mesh running that ps, kill and restart find from the working folder', async () => {
    await up().jsonLine(isUp);
    const before = await processes();
    expect(before.map(({ name, status }) => [name, status])).toEqual([
      ['coordinator', 'ready'],
      ['alpha', 'ready'],
      ['stubborn', 'ready'],
    ]);

    expect(await mesh('kill', 'alpha')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('started again'),
    });
    await expect
      .poll(async () => (await processes())[1], { timeout: 10_000 })
      .toMatchObject({ status: 'ready', restarts: 1, url: before[1]?.url });

    expect(await mesh('kill', 'alpha', '--down', '--json')).toMatchObject({ exitCode: 0 });
    expect((await processes())[1]).toMatchObject({ status: 'down', pid: null });
    expect(await mesh('restart', 'alpha')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('is ready') });

    expect(await mesh('kill', 'nobody')).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('alpha') });
    const [heading] = (await mesh('ps')).stdout.split('\n');
    expect(heading).toMatch(/^NAME +STATUS +PID +URL +RESTARTS$/);
  });

  it('refuses a second mesh on the same data', async () => {
    const first = up();
    await first.jsonLine(isUp);
    const second = await up().finished;
    expect(second).toMatchObject({ exitCode: 4, stderr: expect.stringContaining(`pid ${first.child.pid}`) });
    expect(second.stderr).toContain('--data');
  });

  it('ends everything in order on SIGTERM, and at once on a second signal', async () => {
    const command = up();
    await command.jsonLine(isUp);
    const pids = await pidsOf();
    command.child.kill('SIGTERM');
    // One fixture ignores SIGTERM, so the mesh is still there when the others have ended.
    await expect.poll(() => pids.filter((pid) => isAlive(pid)).length, { timeout: 9000 }).toBe(1);
    await expect
      .poll(
        () => {
          command.child.kill('SIGINT');
          return command.child.exitCode;
        },
        { interval: 200, timeout: 20_000 },
      )
      .toBe(130);
    expect(pids.filter((pid) => isAlive(pid))).toEqual([]);
    expect(await mesh('ps')).toMatchObject({ exitCode: 3 });
  });

  it('exits with 0 after an orderly end', async () => {
    const command = up(['--only', 'coordinator,alpha']);
    await command.jsonLine(isUp);
    command.child.kill('SIGINT');
    expect(await command.finished).toMatchObject({ exitCode: 0 });
  });

  it('takes its processes with it when it is killed, and starts again on the same data', async () => {
    const command = up();
    await command.jsonLine(isUp);
    const pids = await pidsOf();
    expect(pids).toHaveLength(3);
    command.child.kill('SIGKILL');
    await expect.poll(() => pids.filter((pid) => isAlive(pid)), { timeout: 20_000 }).toEqual([]);
    expect(await mesh('ps')).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('is gone') });
    await up().jsonLine(isUp);
  });

  it('hands its environment on and keeps the ready line in the log, however quiet it is told to be', async () => {
    await writeFile(join(folder, 'people.json'), '[]');
    const command = up(['--only', 'alpha'], {
      MESH_TOKEN: 'secret',
      MESH_PRINCIPALS: 'people.json',
      MESH_LOG_LEVEL: 'error',
      MESH_PUBLIC_URL: 'http://example.com',
      MESH_DAPR_STATE: 'postgres://me:secret@db/mesh',
    });
    const line = await command.jsonLine(isUp);
    // As printed by `mesh up --json`.
    const [alpha] = line['processes'] as ProcessInfo[];
    const environment: unknown = await (await fetch(alpha?.url ?? '')).json();
    // Its working folder is another one.
    const MESH_PRINCIPALS = join(folder, 'people.json');
    expect(environment).toMatchObject({ MESH_TOKEN: 'secret', MESH_PRINCIPALS, MESH_LOG_LEVEL: 'info' });
    expect(environment).not.toHaveProperty('MESH_PUBLIC_URL');
    expect(environment).not.toHaveProperty('MESH_DAPR_STATE');
    expect(await readFile(join(folder, '.mesh/logs/alpha.jsonl'), 'utf8')).toContain('listening');
  });

  it('starts nothing where Dapr is asked for and missing, and says how to get it', async () => {
    const { exitCode, stdout, stderr } = await up(['--engine', 'dapr'], { PATH: folder, HOME: folder }).finished;
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(JSON.parse(stderr)).toMatchObject({ error: { message: expect.stringContaining('dapr init --slim') } });
    expect(await readdir(folder)).toEqual(['mesh.json']);
  });

  it('refuses an agent whose folder or process would be taken for one of the engine', async () => {
    await writeFile(join(folder, 'mesh.json'), JSON.stringify([member('coordinator'), member('dapr')]));
    expect(await up().finished).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('name of the mesh') });
  });

  it.each([
    [['--engine', 'steam'], 'Allowed choices are embedded, dapr'],
    [['--engine', 'dapr', '--dapr-state', 'postgres://a:b@c/d'], 'can be read by every user'],
    [['--port', 'x'], 'It must be 0, or a port'],
    [['--only', 'nobody'], 'no such agent: nobody'],
    [['--host', '0.0.0.0'], 'needs MESH_TOKEN'],
    [['--composition', 'missing.json'], 'no usable composition'],
    [['extra'], 'too many arguments'],
  ])('refuses %j as usage', async (args, message) => {
    expect(await up(args).finished).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) });
  });
});
