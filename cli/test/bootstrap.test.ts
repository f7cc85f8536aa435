import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureInstalled, isInstalled, run } from '../../scripts/bootstrap.mjs';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mesh-bootstrap-'));
  writeFileSync(join(folder, 'pnpm-lock.yaml'), 'lockfileVersion: 1\n');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('ensureInstalled', () => {
  it('installs once for each state of the lock file', async () => {
    let installs = 0;
    const install = () => {
      installs += 1;
      return Promise.resolve(0);
    };
    expect(isInstalled(folder)).toBe(false);
    await ensureInstalled(folder, install);
    await ensureInstalled(folder, install);
    expect({ installs, installed: isInstalled(folder) }).toEqual({ installs: 1, installed: true });
    writeFileSync(join(folder, 'pnpm-lock.yaml'), 'lockfileVersion: 2\n');
    await ensureInstalled(folder, install);
    expect(installs).toBe(2);
  });

  it('hands on the exit code of an install that fails, and tries again the next time', async () => {
    await ensureInstalled(folder, () => Promise.resolve(0));
    writeFileSync(join(folder, 'pnpm-lock.yaml'), 'lockfileVersion: 2\n');
    expect(await ensureInstalled(folder, () => Promise.resolve(7))).toBe(7);
    expect(isInstalled(folder)).toBe(false);
    expect(existsSync(join(folder, 'node_modules/.daca-mesh-install'))).toBe(false);
  });
});

describe('run', () => {
  it('hands on exit codes and signals', async () => {
    expect(await run(process.execPath, ['-e', 'process.exitCode = 5'])).toBe(5);
    expect(await run(process.execPath, ['-e', 'process.kill(process.pid, "SIGKILL"); setTimeout(() => {}, 9e4)'])).toBe(
      137,
    );
  });

  it('passes a signal on to the program and waits for its end', async () => {
    const scripts = fileURLToPath(new URL('../../scripts', import.meta.url));
    cpSync(scripts, join(folder, 'scripts'), { recursive: true });
    const program = `process.on('SIGTERM', () => process.exit(9)); console.log('ready'); setTimeout(() => {}, 9e4)`;
    writeFileSync(
      join(folder, 'outer.mjs'),
      `import { run } from './scripts/bootstrap.mjs';
       process.exitCode = await run(process.execPath, ['-e', ${JSON.stringify(program)}]);`,
    );
    const outer = spawn(process.execPath, [join(folder, 'outer.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(outer.stdout, 'data');
    outer.kill('SIGTERM');
    expect(await once(outer, 'exit')).toEqual([9, null]);
  });
});
