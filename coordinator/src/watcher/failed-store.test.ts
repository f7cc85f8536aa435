import { breakLog } from '@daca-mesh/protocol/testing';
import { expect, it } from 'vitest';
import type { Script } from '../runs/testing/scripted-engine.ts';
import { callOf, TestMesh } from '../runs/testing/test-mesh.ts';

const patient = { timeout: 20_000, interval: 50 };

const once: Script = async ({ activities, runId, scope, call }) => {
  const outcome = await call(callOf(runId, 'only'));
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

it.skipIf(process.platform !== 'linux')(
  'a call whose agent could not store it, as far as it knows, is sent again as it was: it may be there after all',
  async () => {
    await using mesh = await TestMesh.create({ once });
    const executed: string[] = [];
    const work = async ({ task }: { task: { id: string } }) => {
      executed.push(task.id);
      return {};
    };
    const agent = await mesh.agent({ work }, { durability: 'full' });
    await mesh.start();
    breakLog(`${mesh.folder}/agent.db`);
    const runId = await mesh.run('once');
    await expect
      .poll(async () => (await mesh.calls(runId)).map(({ state, tries }) => [state, tries > 0]), patient)
      .toEqual([['sending', true]]);
    expect(executed).toEqual([]);
    await agent.close();
    await mesh.agent({ work }, { port: Number(new URL(agent.url).port) });
    await expect
      .poll(async () => (await mesh.coordinator.runs.get(runId)).output, patient)
      .toMatchObject({
        status: 'completed',
      });
    expect(executed).toHaveLength(1);
    expect(await mesh.calls(runId)).toMatchObject([{ attempt: 1, task_id: executed[0] }]);
  },
);
