import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findPython, pythonFolder, requirementsPath } from './python.ts';

/** Installs the Python packages of `requirements.txt` into the cache, unless they are there: needs Python 3.10 and pip. */
if (findPython() === undefined) install();
process.stdout.write(`${pythonFolder}\n`);

function install(): void {
  rmSync(pythonFolder, { recursive: true, force: true });
  mkdirSync(dirname(pythonFolder), { recursive: true });
  const scratch = mkdtempSync(join(dirname(pythonFolder), 'install-'));
  try {
    // Into a folder instead of an environment: it can be moved, and appears under its name when it is complete.
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', scratch];
    const { status, error } = spawnSync('python3', [...pip, '--requirement', requirementsPath], { stdio: 'inherit' });
    if (error) throw error;
    if (status !== 0) throw new Error(`pip ended with exit code ${status}`);
    renameSync(scratch, pythonFolder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
