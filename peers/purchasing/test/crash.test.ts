import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { AgentClient, taskResult } from '@daca-mesh/protocol/client';
import { expect, it, onTestFinished } from 'vitest';

/** `kill -9` between the commit of an effect and the end of its task: the next process tells what was done, and does nothing. */

async function startAgent(dataPath: string, killAt = '') {
  const env = { ...process.env, MESH_DATA: dataPath, MESH_PORT: '0', MESH_LOG_LEVEL: 'info', MESH_KILL_AT: killAt };
  const main = resolve(import.meta.dirname, '../src/main.ts');
  const child = spawn(process.execPath, [main], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const died = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await died;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === 'object' && entry !== null && 'url' in entry) {
      return { client: await AgentClient.connect(String(entry.url)), died };
    }
  }
  throw new Error('the agent did not start');
}

it('places an order once when killed in the middle of placing it', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'purchasing-crash-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const items = [{ sku: 'server', quantity: 2 }];
  const placing = { skill: 'place-order', input: { orderId: 'o' }, messageId: 'place-1', blocking: true };

  const first = await startAgent(folder, 'order-placed');
  await first.client.send({ skill: 'quote-order', input: { orderId: 'o', items }, blocking: true });
  await first.client.send({ skill: 'reserve-order', input: { orderId: 'o', items }, blocking: true });
  await expect(first.client.send(placing)).rejects.toMatchObject({ code: expect.any(String) });
  expect(await first.died).toEqual([null, 'SIGKILL']);

  const { client } = await startAgent(folder);
  const answer = taskResult(await client.send(placing));
  expect(answer).toMatchObject({ orderId: 'o', status: 'placed' });
  // Another task for the same order: the order's id decides, not the message's.
  expect(taskResult(await client.send({ ...placing, messageId: 'place-2' }))).toEqual(answer);

  using store = new DatabaseSync(join(folder, 'store.db'), { readOnly: true });
  const select = (sql: string) => store.prepare(sql).all();
  expect(select("SELECT to_status FROM order_events WHERE order_id = 'o' ORDER BY event_id")).toEqual([
    { to_status: 'reserved' },
    { to_status: 'placed' },
  ]);
  expect(select('SELECT supplier_reference AS supplierReference FROM orders')).toEqual([
    { supplierReference: Reflect.get(Object(answer), 'supplierReference') },
  ]);
  expect(select("SELECT stock FROM catalog WHERE sku = 'server'")).toEqual([{ stock: 2 }]);
});
