import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { spawnWatched, type WatchedProcess } from './spawn-watched.ts';

const patient = { timeout: 20_000, interval: 20 };
let started: WatchedProcess[] = [];
afterEach(async () => {
  for (const each of started) each.signal('SIGKILL');
  await Promise.all(started.map(({ exited }) => exited));
  started = [];
});

/** Runs a line of shell, which is the program. */
function watch(line: string): WatchedProcess {
  const watched = spawnWatched('/bin/sh', ['-c', line], { env: process.env });
  started.push(watched);
  return watched;
}

async function firstLine({ child }: WatchedProcess): Promise<string> {
  if (child.stdout === null) throw new TypeError('without a log file there is a pipe');
  const [line] = await once(createInterface(child.stdout), 'line');
  return String(line);
}

/** A negative id is a process group. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a watched program', () => {
  it('gets its arguments as they are', async () => {
    const { child, exited } = spawnWatched('/bin/echo', ['a b', '$HOME', '"'], { env: {} });
    expect(child.stdout && (await text(child.stdout))).toBe('a b $HOME "\n');
    expect(await exited).toBe('exit code 0');
  });

  it('tells how it ended', async () => {
    expect(await watch('exit 7').exited).toBe('exit code 7');
    expect(await spawnWatched('/nowhere/program', [], { env: {} }).exited).toBe('exit code 127');
  });

  it('can end in an orderly way', async () => {
    const watched = watch('trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 0.05; done');
    expect(await firstLine(watched)).toBe('ready');
    const rest = watched.child.stdout && text(watched.child.stdout);
    watched.signal('SIGTERM');
    expect(await watched.exited).toBe('exit code 3');
    expect(await rest).toContain('bye');
  });

  it('leaves nothing behind when it ended, was stopped or was killed', async () => {
    for (const signal of [undefined, 'SIGTERM', 'SIGKILL'] as const) {
      const watched = watch(signal === undefined ? 'echo $$' : 'echo $$; exec sleep 1000');
      const pid = Number(await firstLine(watched));
      if (signal !== undefined) watched.signal(signal);
      await watched.exited;
      await expect.poll(() => isAlive(pid), patient).toBe(false);
      await expect.poll(() => isAlive(-(watched.child.pid ?? 0)), patient).toBe(false);
    }
  });

  it('takes signals when it is gone without an error', async () => {
    const watched = watch('exit 0');
    await watched.exited;
    expect(() => watched.signal('SIGKILL')).not.toThrow();
  });

  it('does not outlive whoever started it, also after kill -9', async () => {
    const module = JSON.stringify(new URL('spawn-watched.ts', import.meta.url).href);
    // It ignores what can be ignored, as a program that hangs does.
    const line = 'trap "" TERM HUP INT; echo $$; while :; do sleep 0.05; done';
    const script = `
      const { spawnWatched } = await import(${module});
      const { child } = spawnWatched('/bin/sh', ['-c', ${JSON.stringify(line)}], { env: process.env });
      child.stdout.pipe(process.stdout);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [first] = await once(createInterface(parent.stdout), 'line');
    const pid = Number(first);
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => isAlive(pid), patient).toBe(false);
  });

  describe('with a log file', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'watched-'));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it('appends both its outputs to it', async () => {
      const logPath = join(folder, 'log');
      for (const line of ['echo one', 'echo two >&2']) {
        await spawnWatched('/bin/sh', ['-c', line], { env: process.env, logPath }).exited;
      }
      expect(readFileSync(logPath, 'utf8')).toBe('one\ntwo\n');
    });
  });
});
