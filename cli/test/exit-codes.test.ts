import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCommandLine } from '../src/program.ts';
import { ok, startApiDouble } from './api-double.ts';

/**
 * Every command against every way it can be refused, in this process because there are so many; `commands.test.ts` and
 * `up.test.ts` meet the same program as users do.
 */

const workingFolder = process.cwd();
const folder = mkdtempSync(join(tmpdir(), 'mesh-exit-codes-'));

beforeAll(() => {
  process.chdir(folder);
  for (const name of ['MESH_URL', 'MESH_TOKEN', 'MESH_HOST', 'MESH_PORT']) vi.stubEnv(name, undefined);
});

afterEach(() => vi.restoreAllMocks());

afterAll(() => {
  process.chdir(workingFolder);
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

async function mesh(args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      written[stream] += String(text);
      return true;
    });
  }
  const exitCode = await runCommandLine(args, new AbortController().signal);
  vi.restoreAllMocks();
  return { exitCode, ...written };
}

const commandNames =
  'up,ps,kill,restart,peers,card,send,run,runs,show,artifact,cancel,suspend,resume,inbox,answer,events,redrive,' +
  'principal add,principal remove,demo,env,new agent,new workflow';

describe('every command', () => {
  it.each(commandNames.split(','))(
    '%s has help with an example, its arguments in words and its exit codes',
    async (name) => {
      const { exitCode, stdout } = await mesh([...name.split(' '), '--help']);
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(new RegExp(String.raw`Examples?:\n  npx mesh ${name}`));
      const [usage = ''] = stdout.split('\n', 1);
      for (const [, argument = ''] of usage.matchAll(/[<[](?!options)([\w|]+)[>\]]/g)) {
        expect(stdout).toMatch(new RegExp(String.raw`^  ${argument.replace('|', '\\|')} +\w`, 'm'));
      }
      expect(stdout).toContain('Exit codes: 0 ok, 1 wrong outcome, 2 usage, 3 unreachable, 4 refused, 130 interrupted');
      expect(stdout).toContain('--json');
    },
  );

  it.each(['env', 'new agent', 'new workflow'])('%s offers no mesh, since it needs none', async (name) => {
    const { stdout } = await mesh([...name.split(' '), '--help']);
    expect(stdout).not.toMatch(/--data|--url/);
    expect(await mesh([...name.split(' '), ...(name === 'env' ? [] : ['a-name']), '--data', folder])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("unknown option '--data'"),
    });
  });

  it.each([
    [[]],
    [['no-such-command']],
    [['ps', 'extra']],
    [['ps', '--no-such-option']],
    [['kill']],
    [['restart']],
    [['card']],
    [['send', 'writer']],
    [['send', 'writer', 'text', '--approve']],
    [['send', 'writer', 'text', '--task', 't1', '--approve']],
    [['send', 'writer', '--input', '{broken']],
    [['run', 'content-pipeline']],
    [['run', 'content-pipeline', '--input', '@missing.json']],
    [['runs', '--status', 'sleeping']],
    [['runs', '--limit', '0']],
    [['show']],
    [['cancel']],
    [['suspend']],
    [['resume']],
    [['inbox', 'extra']],
    [['answer', 'q1', '--url', 'http://127.0.0.1:1']],
    [['answer', 'q1', '--approve', '--reject', 'no', '--url', 'http://127.0.0.1:1']],
    [['events', '--status', 'eaten']],
    [['events', '--dead', '--type', 'T']],
    [['redrive']],
    [['demo', 'no-such-workflow']],
    [['peers', '--url', 'ftp://example.com']],
    [['ps', '--url', 'http://127.0.0.1:1']],
  ])('%j is wrong usage', async (args) => {
    const { exitCode, stderr } = await mesh(args);
    expect(stderr).not.toBe('');
    expect(exitCode).toBe(2);
  });

  it.each([
    [['ps']],
    [['kill', 'a']],
    [['restart', 'a']],
    [['peers']],
    [['card', 'writer']],
    [['card', 'http://127.0.0.1:1']],
    [['send', 'writer', 'text']],
    [['run', 'w', '--input', '{}']],
    [['runs']],
    [['show', 'r1']],
    [['cancel', 'r1']],
    [['suspend', 'r1']],
    [['resume', 'r1']],
    [['inbox']],
    [['answer', 'q1', '--approve']],
    [['events']],
    [['redrive', '7']],
    [['demo', '--url', 'http://127.0.0.1:1']],
    [['runs', '--url', 'http://127.0.0.1:1']],
  ])('%j without a mesh is unreachable', async (args) => {
    const { exitCode, stdout, stderr } = await mesh([...args, '--json']);
    expect(JSON.parse(stderr.trim())).toMatchObject({ error: { message: expect.stringMatching(/\S/) } });
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
  });

  it.each([
    [['run', 'w', '--input', '{}']],
    [['runs']],
    [['show', 'r1']],
    [['cancel', 'r1']],
    [['suspend', 'r1']],
    [['resume', 'r1']],
    [['inbox']],
    [['answer', 'q1', '--approve']],
    [['events', '--dead']],
    [['redrive', '7']],
    [['peers']],
    [['card', 'nobody']],
    [['demo', 'content-pipeline']],
  ])('%j is refused with the reason the mesh gives', async (args) => {
    const noPeers = { 'GET /peers': () => ok({ peers: [] }) };
    await using api = await startApiDouble(args[0] === 'peers' ? {} : noPeers);
    const { exitCode, stderr } = await mesh([...args, '--url', api.url]);
    expect(stderr).toMatch(/there is no such thing|no agent is called nobody/);
    expect(exitCode).toBe(4);
  });
});
