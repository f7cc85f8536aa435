import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** How to get what validates Compose files. */
const howToGetGo = 'install Go 1.26 (https://go.dev/dl)';

/** A service of a Compose project, as far as the tests look at it. */
export interface Service {
  image: string;
  command: string[];
  entrypoint: string[] | null;
  environment?: Record<string, string>;
  healthcheck?: { test: string[] };
  ports?: { host_ip?: string }[];
  profiles?: string[];
  volumes?: { type: string; source: string; target: string }[];
}

export type Outcome = { project: { services: Record<string, Service> } } | { problem: string };

/** Reads a Compose file as Docker Compose does: validated, all profiles on, variables filled in from `environment`. */
export function readComposeFile(environment: Record<string, string>, file = join(root, 'compose.yaml')): Outcome {
  const { status, stdout, stderr, error } = spawnSync('go', ['run', '.', file], {
    cwd: join(import.meta.dirname, 'validate'),
    // Where Go keeps its modules and builds depends on who runs it.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], GOFLAGS: '-mod=readonly', ...goOwn(), ...environment },
    encoding: 'utf8',
    maxBuffer: 16 * 2 ** 20,
  });
  // The validator printed it.
  return status === 0
    ? { project: JSON.parse(stdout) as { services: Record<string, Service> } }
    : { problem: error ? howToGetGo : stderr };
}

const goOwn = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('GO')));
