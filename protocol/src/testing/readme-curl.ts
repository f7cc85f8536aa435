import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { StartedPeer } from './contract/contract-context.ts';

/**
 * Runs the first `curl` of an agent's README against a new instance of that agent and returns the JSON it printed. The
 * address in the README is replaced by the real one.
 */
export async function runReadmeCurl(readme: URL, start: (dataDir: string) => Promise<StartedPeer>): Promise<unknown> {
  const command = /```sh\n(curl[\s\S]*?)```/u.exec(await readFile(readme, 'utf8'))?.[1];
  if (command === undefined) throw new Error(`${readme.pathname} shows no curl`);
  const dataDir = await mkdtemp(join(tmpdir(), 'readme-'));
  const server = await start(dataDir);
  try {
    const addressed = command.replace(/http:\/\/127\.0\.0\.1:\d+/u, server.url);
    const { stdout } = await promisify(execFile)('bash', ['-c', addressed]);
    return JSON.parse(stdout);
  } finally {
    await server.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}
