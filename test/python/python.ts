import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const requirementsPath = join(import.meta.dirname, 'requirements.txt');

/** Where `install.ts` puts the packages: outside the repository, by what is asked for. */
export const pythonFolder = join(
  process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'),
  'daca-mesh',
  `python-${createHash('sha256').update(readFileSync(requirementsPath)).digest('hex').slice(0, 12)}`,
);

/** The packages, as PYTHONPATH wants them; undefined where they are not installed. */
export const findPython = (): string | undefined => (existsSync(pythonFolder) ? pythonFolder : undefined);

/** Why tests with Python programs are skipped here. Throws in CI, where they must not be. */
export function pythonSkipReason(): string | undefined {
  const isAsked = process.env['CI'] || process.env['MESH_TEST_PYTHON'] === '1';
  if (!isAsked) return 'MESH_TEST_PYTHON=1 asks for it';
  if (findPython() !== undefined) return undefined;
  const reason = 'install the Python packages with: node test/python/install.ts';
  if (process.env['CI']) throw new Error(reason);
  return reason;
}
