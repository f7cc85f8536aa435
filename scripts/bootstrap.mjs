/**
 * What `npm start` and `npm test` share. Runs on Node >= 18 before anything is installed, so it is plain JavaScript
 * without a dependency. The workspace brings its own Node 24 as a dev dependency, and everything else runs on that.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const pnpm = 'pnpm@12.21.0';

/** The workspace root. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What an install depends on: the lock file, and the machine the native packages were chosen for. */
export function installFingerprint(folder) {
  return createHash('sha256')
    .update(readFileSync(join(folder, 'pnpm-lock.yaml')))
    .update(`${process.platform}-${process.arch}`)
    .digest('hex');
}

const stampPath = (folder) => join(folder, 'node_modules', '.daca-mesh-install');

/** Whether the last complete install was of this very lock file. */
export function isInstalled(folder) {
  try {
    return readFileSync(stampPath(folder), 'utf8') === installFingerprint(folder);
  } catch {
    return false;
  }
}

/**
 * Installs the dependencies unless the stamp says that they are there. The stamp is removed before and written after,
 * so an install that was interrupted counts as none.
 */
export async function ensureInstalled(folder, install = installWithPnpm) {
  return isInstalled(folder) ? 0 : installAnew(folder, install);
}

/** Installs after a package was added to the workspace or changed its dependencies: the lock file follows. */
export const installChanges = (folder) =>
  installAnew(folder, () => installWithPnpm(folder, ['--no-frozen-lockfile', '--prefer-offline']));

async function installAnew(folder, install) {
  rmSync(stampPath(folder), { force: true });
  const exitCode = await install(folder);
  if (exitCode === 0) {
    mkdirSync(dirname(stampPath(folder)), { recursive: true });
    writeFileSync(stampPath(folder), installFingerprint(folder));
  }
  return exitCode;
}

function installWithPnpm(folder, mode = ['--frozen-lockfile']) {
  process.stderr.write('Installing dependencies (only when they changed) ...\n');
  // CI=true keeps pnpm from asking questions that nobody may be there to answer. Its warnings are about the Node that is
  // installed here, which only starts the one that is used.
  return run('npx', ['--yes', pnpm, 'install', ...mode, '--loglevel=error'], {
    cwd: folder,
    env: { ...process.env, CI: 'true' },
    // npx is a script of the shell on Windows.
    shell: process.platform === 'win32',
    // Standard output belongs to the command that follows.
    stdio: ['ignore', process.stderr, process.stderr],
  });
}

/** Runs a program, hands signals on to it, and returns its exit code (128 + n when it died of signal n). */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', ...options });
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    const forward = (signal) => child.kill(signal);
    for (const signal of signals) process.on(signal, forward);
    const settle = (exitCode) => {
      for (const signal of signals) process.off(signal, forward);
      resolve(exitCode);
    };
    child.on('error', (error) => {
      process.stderr.write(`Cannot start ${command}: ${error.message}\n`);
      settle(127);
    });
    child.on('exit', (exitCode, signal) => settle(exitCode ?? 128 + constants.signals[signal]));
  });
}

/** Installs what is missing and then runs the workspace's own Node 24 with these arguments. */
export async function runInWorkspace(args) {
  const installed = await ensureInstalled(root);
  if (installed !== 0) return installed;
  return run(join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node'), args);
}
