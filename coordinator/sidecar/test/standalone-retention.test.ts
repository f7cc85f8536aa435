import type { WorkflowContext } from '@dapr/dapr';
import { expect, it } from 'vitest';
import { startWorld, temporaryFolder } from './world.ts';

async function* quick(): AsyncGenerator<unknown, unknown> {
  yield* [];
  return 'done';
}

async function* broken(): AsyncGenerator<unknown, unknown> {
  yield* [];
  throw new Error('boom');
}

async function* gate(context: WorkflowContext): AsyncGenerator<unknown, unknown> {
  return yield context.waitForExternalEvent('go');
}

it('deletes what ended, when its time is over, and nothing else', async () => {
  using folder = temporaryFolder();
  const retention = { anyTerminal: 1, failed: 3_600_000 };
  await using world = await startWorld({ path: `${folder.path}/engine.db`, retention }, (runtime) => {
    for (const workflow of [quick, broken, gate]) runtime.registerWorkflow(workflow);
  });
  const { client } = world;
  await client.scheduleNewWorkflow(gate, undefined, 'active');
  await client.scheduleNewWorkflow(broken, undefined, 'failed');
  await client.waitForWorkflowCompletion('failed', false, 20);
  await client.scheduleNewWorkflow(quick, undefined, 'completed');
  await client.scheduleNewWorkflow(gate, undefined, 'terminated');
  await client.terminateWorkflow('terminated', undefined);

  const isThere = async (id: string) => (await client.getWorkflowState(id, false)) !== undefined;
  await expect.poll(() => isThere('completed'), { timeout: 20_000 }).toBe(false);
  await expect.poll(() => isThere('terminated'), { timeout: 20_000 }).toBe(false);
  expect(await isThere('failed')).toBe(true);
  expect(await isThere('active')).toBe(true);
});
