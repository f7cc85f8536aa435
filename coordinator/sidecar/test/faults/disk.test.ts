import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, vi } from 'vitest';
import { startSidecar, type SidecarError } from '../../src/index.ts';
import { RawClient } from '../raw-client.ts';
import { temporaryFolder } from '../world.ts';

const id = 'run-1';
const program = join(import.meta.dirname, 'limited-process.ts');
const isRoot = process.getuid?.() === 0;
/** Nobody, on every system that has the user. */
const NOBODY = 65_534;

function linesOf(child: ChildProcess): AsyncIterator<string> {
  if (child.stdout === null) throw new TypeError('stdout is not piped');
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}

/** Raises events of 20 kB until one is refused for the reason that is expected; returns how many were acknowledged. */
async function fill(client: RawClient): Promise<number> {
  const input = JSON.stringify('x'.repeat(20_000));
  let acknowledged = 0;
  const raise = async (): Promise<never> => {
    for (; acknowledged < 1000; acknowledged += 1) {
      await client.call('raiseEvent', { instanceId: id, name: 'fill', input });
    }
    throw new Error('the disk did not fill');
  };
  await expect(raise()).rejects.toMatchObject({ code: 13, details: expect.stringContaining('restart to recover') });
  return acknowledged;
}

async function begin(client: RawClient): Promise<void> {
  const worker = client.worker();
  const started = client.call('startInstance', { instanceId: id, name: 'flow' });
  await worker.nextTurn();
  await client.call('completeOrchestratorTask', { instanceId: id, actions: [] });
  await started;
  worker.disconnect();
}

/** Everything that was acknowledged is there, and nothing else. */
async function expectEvents(path: string, count: number): Promise<void> {
  await using sidecar = await startSidecar({ path });
  using client = new RawClient(sidecar.address);
  const { newEvents } = await client.worker().nextTurn();
  expect(newEvents).toHaveLength(1 + count);
}

describe('a full disk', () => {
  it('fails what cannot be stored, tells the owner, and loses nothing that was acknowledged (limit on file size)', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    // In blocks of 512 bytes: 1 MiB.
    const child = spawn('/bin/sh', ['-c', 'ulimit -f 2048; exec "$@"', 'sh', process.execPath, program, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let acknowledged: number;
    try {
      const lines = linesOf(child);
      using client = new RawClient(`127.0.0.1:${(await lines.next()).value}`);
      await begin(client);
      acknowledged = await fill(client);
      expect((await lines.next()).value).toBe('DATABASE_FAILED');
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    expect(acknowledged).toBeGreaterThan(10);
    await expectEvents(path, acknowledged);
  });

  it.skipIf(!canMount())('does the same where the disk itself is full, and goes on when there is room', async () => {
    using folder = temporaryFolder();
    const disk = join(folder.path, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
    try {
      const path = join(disk, 'engine.db');
      let acknowledged: number;
      {
        const onFailure = vi.fn<(error: SidecarError) => void>();
        await using sidecar = await startSidecar({ path, onFailure });
        using client = new RawClient(sidecar.address);
        await begin(client);
        acknowledged = await fill(client);
        expect(onFailure.mock.calls).toMatchObject([[{ code: 'DATABASE_FAILED' }]]);
      }
      execFileSync('mount', ['-o', 'remount,size=16m', disk]);
      await expectEvents(path, acknowledged);
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});

describe('a folder that cannot be written', () => {
  it('is refused with a clear error, and left as it is', async () => {
    using folder = temporaryFolder();
    chmodSync(folder.path, 0o555);
    try {
      expect(await start(join(folder.path, 'engine.db'))).toBe('DATABASE_UNAVAILABLE');
      expect(await start(join(folder.path, 'deeper', 'engine.db'))).toBe('DATABASE_UNAVAILABLE');
      expect(readdirSync(folder.path)).toEqual([]);
    } finally {
      chmodSync(folder.path, 0o755);
    }
  });

  it('is refused also where the files are there already', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    await (await startSidecar({ path })).close();
    for (const name of readdirSync(folder.path)) chmodSync(join(folder.path, name), 0o444);
    chmodSync(folder.path, 0o555);
    try {
      expect(await start(path)).toBe('DATABASE_UNAVAILABLE');
    } finally {
      chmodSync(folder.path, 0o755);
    }
  });

  it('is no reason to refuse one that can be', async () => {
    using folder = temporaryFolder();
    chmodSync(folder.path, 0o755);
    if (isRoot) chownSync(folder.path, NOBODY, NOBODY);
    expect(Number(await start(join(folder.path, 'engine.db')))).toBeGreaterThan(0);
    expect(existsSync(join(folder.path, 'engine.db'))).toBe(true);
  });
});

/** The first line of the program. Root may write everywhere, so it runs as nobody. */
async function start(path: string): Promise<string> {
  const child = spawn(process.execPath, [program, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(isRoot && { uid: NOBODY, gid: NOBODY }),
  });
  try {
    // The program writes nothing but lines.
    return String((await linesOf(child).next()).value);
  } finally {
    child.kill('SIGKILL');
  }
}

function canMount(): boolean {
  if (!isRoot || process.platform !== 'linux') return false;
  using folder = temporaryFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder.path], { stdio: 'ignore' });
    execFileSync('umount', [folder.path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
