import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DaprWorkflowClient } from '@dapr/dapr';
import { describe, expect, it } from 'vitest';
import { sendRaw } from './http-client.ts';
import { DACA_SIDECAR, MESH_SIDECAR, startStandalone, type Finished } from './standalone-process.ts';
import { temporaryFolder } from './world.ts';

const run = async (args: string[], options?: Parameters<typeof startStandalone>[2]): Promise<Finished> => {
  await using program = startStandalone(DACA_SIDECAR, args, options);
  return await program.finished;
};

/** The code of an error as it is printed with --json. */
const errorIn = ({ stderr }: Finished): { code: string; message: string } => {
  const { error } = JSON.parse(stderr.trim()) as { error: { code: string; message: string } };
  return error;
};

describe.each([
  ['npx mesh sidecar', MESH_SIDECAR],
  ['daca-sidecar', DACA_SIDECAR],
])('%s', (name, command) => {
  it('says where it listens and how to point an SDK at it, and ends in order by Ctrl-C', async () => {
    using folder = temporaryFolder();
    await using program = startStandalone(command, ['--data', folder.path]);
    await expect.poll(program.stdout, { timeout: 20_000 }).toContain('Ctrl-C');
    program.child.kill('SIGINT');
    const { exitCode, stdout, stderr } = await program.finished;
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/gRPC {2}127\.0\.0\.1:\d+\nHTTP {2}http:\/\/127\.0\.0\.1:\d+\//);
    expect(stdout).toMatch(/DAPR_GRPC_PORT=\d+ DAPR_HTTP_PORT=\d+\n/);
    expect(stderr).toBe('stopping\n');
    expect(existsSync(join(folder.path, 'engine.db.lock.json'))).toBe(false);
  });

  it('explains its options', async () => {
    await using program = startStandalone(command, ['--help']);
    const { exitCode, stdout } = await program.finished;
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Usage: ${name} [options]`);
    for (const option of ['--port', '--http-port', '--data', '--durability', '--retention', '--token-from', '--json']) {
      expect(stdout).toContain(option);
    }
  });

  it('names what is wrong with a command line', async () => {
    await using program = startStandalone(command, ['--prot', '1']);
    const { exitCode, stderr } = await program.finished;
    expect(exitCode).toBe(2);
    expect(stderr).toContain("Unknown option '--prot'");
    expect(stderr).toContain(`"${name} --help" shows the options`);
  });
});

describe('a running program', () => {
  it('serves gRPC and HTTP, and keeps what it was given over a restart and a kill', async () => {
    using folder = temporaryFolder();
    const args = ['--json', '--data', folder.path, '--durability', 'normal', '--retention', 'failed=30d'];
    {
      await using program = startStandalone(DACA_SIDECAR, args);
      const { httpPort, ...listening } = await program.listening;
      expect(listening).toMatchObject({
        host: '127.0.0.1',
        dataFolder: folder.path,
        durability: 'normal',
        retention: { failed: 30 * 86_400_000 },
        token: false,
        pid: program.child.pid,
      });
      // Workers are other processes here.
      expect(existsSync(join(folder.path, 'engine.db.turns'))).toBe(false);
      const started = await sendRaw(httpPort, 'POST', '/v1.0/workflows/dapr/later/start?instanceID=kept', '1');
      expect(started.status).toBe(202);
      program.child.kill('SIGKILL');
      await program.finished;
    }
    await using program = startStandalone(DACA_SIDECAR, args);
    const { port } = await program.listening;
    const client = new DaprWorkflowClient({ daprHost: '127.0.0.1', daprPort: String(port) });
    expect(await client.getWorkflowState('kept', true)).toMatchObject({ name: 'later', serializedInput: '1' });
    await client.stop();
  });

  it('demands the token of the variable it was told', async () => {
    using folder = temporaryFolder();
    const args = ['--json', '--data', folder.path, '--token-from', 'MY_TOKEN'];
    await using program = startStandalone(DACA_SIDECAR, args, { env: { MY_TOKEN: 'secret' } });
    const { httpPort, token } = await program.listening;
    expect(token).toBe(true);
    expect((await sendRaw(httpPort, 'GET', '/v1.0/metadata')).status).toBe(401);
    expect((await sendRaw(httpPort, 'GET', '/v1.0/metadata', '', { 'dapr-api-token': 'secret' })).status).toBe(200);
  });

  it('has the limit of its --max-body-size', async () => {
    using folder = temporaryFolder();
    await using program = startStandalone(DACA_SIDECAR, ['--json', '--data', folder.path, '--max-body-size', '1Ki']);
    const { httpPort } = await program.listening;
    const start = (sizeBytes: number) =>
      sendRaw(httpPort, 'POST', '/v1.0/workflows/dapr/any/start', Buffer.alloc(sizeBytes, '1'));
    expect((await start(1024)).status).toBe(202);
    expect(await start(1025)).toMatchObject({ status: 400, json: { errorCode: 'ERR_BODY_READ' } });
  });
});

it('ends with advice when a commit fails', async () => {
  using folder = temporaryFolder();
  await using program = startStandalone(DACA_SIDECAR, ['--json', '--data', folder.path]);
  const { httpPort } = await program.listening;
  using intruder = new DatabaseSync(join(folder.path, 'engine.db'));
  intruder.exec('BEGIN IMMEDIATE');
  expect((await sendRaw(httpPort, 'POST', '/v1.0/workflows/dapr/any/start')).status).toBe(500);
  const { exitCode, stderr } = await program.finished;
  expect(exitCode).toBe(1);
  const last = JSON.parse(stderr.trim().split('\n').at(-1) ?? '') as unknown;
  expect(last).toMatchObject({ error: { code: 'DATABASE_FAILED', message: expect.stringContaining('locked') } });
});

describe('a program that cannot start', () => {
  it.each(['--port', '--http-port'])('names a %s that is taken', async (option) => {
    using folder = temporaryFolder();
    await using first = startStandalone(DACA_SIDECAR, ['--json', '--data', join(folder.path, 'a')]);
    const { port, httpPort } = await first.listening;
    const taken = String(option === '--port' ? port : httpPort);
    const others = option === '--port' ? [] : ['--port', '0'];
    const second = await run(['--json', '--data', join(folder.path, 'b'), ...others, option, taken]);
    expect(second.exitCode).toBe(4);
    expect(errorIn(second)).toMatchObject({ code: 'ADDRESS_UNAVAILABLE' });
    expect(errorIn(second).message).toContain(`127.0.0.1:${taken}: listen EADDRINUSE`);
  });

  it('names the process that has the folder', async () => {
    using folder = temporaryFolder();
    await using first = startStandalone(DACA_SIDECAR, ['--json', '--data', folder.path]);
    const { pid } = await first.listening;
    const second = await run(['--data', folder.path]);
    expect(second.exitCode).toBe(4);
    expect(second.stderr).toMatch(new RegExp(`engine\\.db is in use by process ${pid} .*\n.*--data`));
  });

  it('says that a folder cannot be written', async () => {
    using folder = temporaryFolder();
    chmodSync(folder.path, 0o555);
    // Permissions do not bind root, as which containers run tests.
    const options = process.getuid?.() === 0 ? { uid: 65_534 } : {};
    const finished = await run(['--json', '--data', join(folder.path, 'data')], options);
    chmodSync(folder.path, 0o755);
    expect(finished.exitCode).toBe(4);
    expect(errorIn(finished)).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    expect(errorIn(finished).message).toContain('EACCES');
  });

  it('says that a database cannot be written, and does not take that for a lock', async () => {
    using folder = temporaryFolder();
    {
      await using first = startStandalone(DACA_SIDECAR, ['--json', '--data', folder.path]);
      await first.listening;
      first.child.kill('SIGINT');
      await first.finished;
    }
    for (const file of ['engine.db', 'engine.db.lock']) chmodSync(join(folder.path, file), 0o444);
    chmodSync(folder.path, 0o555);
    const options = process.getuid?.() === 0 ? { uid: 65_534 } : {};
    const finished = await run(['--json', '--data', folder.path], options);
    chmodSync(folder.path, 0o755);
    expect(finished.exitCode).toBe(4);
    expect(errorIn(finished)).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  });

  it('says that the folder is a file', async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, 'file');
    writeFileSync(file, '');
    const finished = await run(['--json', '--data', file]);
    expect(finished.exitCode).toBe(4);
    expect(errorIn(finished)).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
  });

  it('says that the database is something else', async () => {
    using folder = temporaryFolder();
    mkdirSync(folder.path, { recursive: true });
    writeFileSync(
      join(folder.path, 'engine.db'),
      'a text that is long enough not to be taken for an empty database'.repeat(9),
    );
    const finished = await run(['--json', '--data', folder.path]);
    expect(finished.exitCode).toBe(4);
    expect(errorIn(finished)).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    expect(errorIn(finished).message).toContain('not a database');
  });

  it('asks for a token where others can reach it', async () => {
    const finished = await run(['--json', '--host', '0.0.0.0']);
    expect(finished.exitCode).toBe(4);
    expect(errorIn(finished)).toMatchObject({ code: 'TOKEN_REQUIRED' });
  });
});
