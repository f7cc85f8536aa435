import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';

/** Whatever the moment of a `kill -9`, a command has its effect once. */

async function startAgent(dataPath: string, environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../src/main.ts')], {
    env: { PATH: process.env['PATH'], MESH_DATA: dataPath, MESH_CARD: 'device-light', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const died = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await died;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === 'object' && entry !== null && 'url' in entry) return { url: String(entry.url), died };
  }
  throw new Error('the agent did not start');
}

const send = async (url: string, messageId: string, skill: string, input: object): Promise<unknown> => {
  const parts = [{ data: { skill, input } }];
  const response = await fetch(`${url}/a2a/rest/message:send`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
    body: JSON.stringify({ message: { messageId, role: 'ROLE_USER', parts } }),
  });
  return response.json();
};

const command = (url: string) => send(url, 'm1', 'set-light', { deviceId: 'light-1', on: true, brightness: 30 });

it.each([
  ['command-started', 'it was about to obey'],
  ['command-applied', 'it had obeyed, and had not answered'],
  ['before-complete', 'its answer was not stored'],
])('a light killed at %s (%s) is switched once', async (point) => {
  const folder = await mkdtemp(join(tmpdir(), 'device-crash-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const first = await startAgent(folder, { MESH_KILL_AT: point });
  await expect(command(first.url)).rejects.toThrow(/fetch failed|terminated/u);
  expect(await first.died).toEqual([null, 'SIGKILL']);

  const second = await startAgent(folder, { MESH_KILL_AT: point });
  expect(await command(second.url)).toMatchObject({
    task: {
      status: { state: 'TASK_STATE_COMPLETED' },
      artifacts: [{ parts: [{ data: { previous: { on: false, brightness: 100 } } }, {}] }],
    },
  });
  using store = new DatabaseSync(join(folder, 'store.db'), { readOnly: true });
  expect(store.prepare('SELECT device_id, command FROM device_commands').all()).toEqual([
    { device_id: 'light-1', command: '{"on":true,"brightness":30}' },
  ]);
});
