import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cacheFolder, daprVersion, findDapr, howToGetDapr } from './binaries.ts';
import { environment } from './config.ts';

/**
 * Builds Dapr's programs from their Go modules into the cache, unless they are there: about 5 minutes on two cores. They
 * appear under their final name all at once, so a build that was interrupted counts as none.
 */
const folder = cacheFolder(environment);
const programs = ['./daprd', 'github.com/dapr/dapr/cmd/scheduler', 'github.com/dapr/dapr/cmd/placement'];

try {
  if (findDapr({ ...environment, PATH: '' })?.builtHere !== true) build();
  process.stdout.write(`${folder}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

function build(): void {
  mkdirSync(dirname(folder), { recursive: true });
  const scratch = mkdtempSync(join(dirname(folder), 'build-'));
  try {
    const version = `-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=${daprVersion}`;
    const { status, error } = spawnSync(
      'go',
      ['build', '-tags', 'stablecomponents', '-ldflags', version, '-o', `${scratch}/`, ...programs],
      {
        cwd: dirname(import.meta.dirname),
        env: { ...environment, CGO_ENABLED: '0' },
        stdio: ['ignore', process.stderr.fd, process.stderr.fd],
      },
    );
    if (error) throw new Error(`go cannot be started (${error.message}). ${howToGetDapr}`);
    if (status !== 0) throw new Error(`go build ended with exit code ${status}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(scratch, folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
