import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** The release that `build.ts` builds and that the tests run against. */
export const daprVersion = '1.18.2';

/** Absolute paths of Dapr's three programs. */
export interface DaprBinaries {
  readonly daprd: string;
  readonly scheduler: string;
  readonly placement: string;
  /** Built here, with components that the official daprd does not have (`daprd/main.go`). */
  readonly builtHere: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where `build.ts` puts what it builds: outside the repository, by version. */
export function cacheFolder(environment: Environment): string {
  const caches = environment['XDG_CACHE_HOME'] || join(environment['HOME'] ?? homedir(), '.cache');
  return join(caches, 'daca-mesh', `dapr-${daprVersion}`);
}

/** The programs that were built here, else those on the PATH or where `dapr init --slim` puts them; undefined without. */
export function findDapr(environment: Environment): DaprBinaries | undefined {
  const built = findAll([cacheFolder(environment)]);
  if (built !== undefined) return { ...built, builtHere: true };
  const onPath = (environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const installed = findAll([...onPath, join(environment['HOME'] ?? homedir(), '.dapr', 'bin')]);
  return installed && { ...installed, builtHere: false };
}

/** What to tell a user for whom `findDapr` found nothing. */
export const howToGetDapr =
  'Dapr was not found (daprd, scheduler and placement). Either install it with "dapr init --slim" of the Dapr CLI, ' +
  'put the three programs on the PATH, or build them with Go 1.26: "node_modules/.bin/node coordinator/dapr/src/build.ts" ' +
  '(about 5 minutes, once)';

function findAll(folders: readonly string[]): Omit<DaprBinaries, 'builtHere'> | undefined {
  const [daprd, scheduler, placement] = ['daprd', 'scheduler', 'placement'].map((name) => findOne(name, folders));
  return daprd && scheduler && placement ? { daprd, scheduler, placement } : undefined;
}

function findOne(name: string, folders: readonly string[]): string | undefined {
  const file = process.platform === 'win32' ? `${name}.exe` : name;
  return folders.map((folder) => join(folder, file)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
