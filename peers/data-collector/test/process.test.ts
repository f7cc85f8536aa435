import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AgentClient } from '@daca-mesh/protocol/client';
import { expect, it } from 'vitest';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

it('leaves no MCP server behind when it is killed', async () => {
  const home = await mkdtemp(join(tmpdir(), 'collector-process-'));
  const agent = spawn(process.execPath, [main], {
    env: { ...process.env, MESH_DATA: home, MESH_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const url = await urlIn(agent.stdout);
    const client = await AgentClient.connect(url);
    await client.send({
      skill: 'collect-data',
      input: { files: ['*.csv'], tables: [{ name: 'orders' }] },
      blocking: true,
    });
    const { stdout } = await promisify(execFile)('pgrep', ['-P', String(agent.pid)]);
    const servers = stdout.trim().split('\n').map(Number);
    expect(servers).toHaveLength(2);
    agent.kill('SIGKILL');
    await expect.poll(() => servers.filter(isAlive), { timeout: 20_000 }).toEqual([]);
  } finally {
    agent.kill('SIGKILL');
    await rm(home, { recursive: true, force: true });
  }
});

async function urlIn(output: NodeJS.ReadableStream): Promise<string> {
  for (let log = ''; ;) {
    const [chunk] = await once(output, 'data');
    log += String(chunk);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(log)?.[0];
    if (url !== undefined) return url;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
