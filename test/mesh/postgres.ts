import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '@daca-mesh/protocol/testing/free-ports';

/** A PostgreSQL of its own for one test, on a free port of the loopback interface, with a password. */
export interface Postgres extends Disposable {
  readonly url: string;
  readonly password: string;
}

/** What a test says that is skipped because there is no PostgreSQL on this machine. */
export const howToGetPostgres =
  'initdb and pg_ctl are not on the PATH: apt-get install postgresql, and add /usr/lib/postgresql/*/bin to the PATH';

export const hasPostgres = (): boolean =>
  ['initdb', 'pg_ctl'].every((name) => spawnSync(name, ['--version']).status === 0);

export async function startPostgres(): Promise<Postgres> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-postgres-'));
  const password = randomBytes(12).toString('hex');
  writeFileSync(join(folder, 'password'), password);
  const owner = ownerOf(folder);
  const run = (command: string, ...args: string[]): void => {
    // No pipes: the server that pg_ctl leaves behind would hold them open.
    const { status } = spawnSync(command, args, { ...owner, cwd: folder, stdio: 'ignore', env: process.env });
    if (status !== 0) throw new Error(`${command} ended with exit code ${status}; see ${folder}`);
  };
  const data = join(folder, 'data');
  const port = await freePorts();
  run('initdb', '-D', data, '-U', 'mesh', '--auth=scram-sha-256', `--pwfile=${join(folder, 'password')}`, '-N');
  const settings = `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1 -c fsync=off`;
  run('pg_ctl', '-D', data, '-l', join(folder, 'log'), '-o', settings, '-w', 'start');
  return {
    url: `postgres://mesh:${password}@127.0.0.1:${port}/postgres?sslmode=disable`,
    password,
    [Symbol.dispose]: () => {
      run('pg_ctl', '-D', data, '-m', 'immediate', '-w', 'stop');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL refuses to run as root; Debian's package brings a user for it. */
function ownerOf(folder: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = [idOf('-u'), idOf('-g')];
  chownSync(folder, uid, gid);
  chownSync(join(folder, 'password'), uid, gid);
  chmodSync(folder, 0o700);
  return { uid, gid };
}

const idOf = (flag: '-u' | '-g'): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
