import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { createServer } from '../src/server.ts';

it('the curl of the README works', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const command = /```sh\n(curl[\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const dataDir = await mkdtemp(join(tmpdir(), 'writer-readme-'));
  const server = await createServer(parseConfig({ MESH_DATA: dataDir }), pino({ level: 'silent' }));
  try {
    const { stdout } = await promisify(execFile)('bash', ['-c', command.replace('http://127.0.0.1:4102', server.url)]);
    expect(JSON.parse(stdout)).toMatchObject({
      task: {
        status: { state: 'TASK_STATE_COMPLETED' },
        artifacts: [{ name: 'write', parts: [{ data: { model: 'offline' } }, {}] }],
      },
    });
  } finally {
    await server.close();
    await rm(dataDir, { recursive: true, force: true });
  }
});
