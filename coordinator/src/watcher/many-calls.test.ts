import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Script } from '../runs/testing/scripted-engine.ts';
import { callOf, TestMesh } from '../runs/testing/test-mesh.ts';

const once: Script = async ({ activities, runId, scope, call }) => {
  const output = await call(callOf(runId, 'only'));
  await activities.finish({ ...scope(), end: { status: 'completed', output } });
};

let mesh: TestMesh;
let executions: Map<string, number>;
let release: () => void;

beforeEach(async () => {
  executions = new Map();
  const { promise, resolve } = Promise.withResolvers<void>();
  release = resolve;
  mesh = await TestMesh.create({ once });
  await mesh.agent(
    {
      work: async ({ task }) => {
        executions.set(task.effectKey, (executions.get(task.effectKey) ?? 0) + 1);
        await Promise.race([promise, sleep(60_000, undefined, { signal: task.signal })]);
        return {};
      },
    },
    { maxRunning: 500 },
  );
  await mesh.start({ lingerMs: 20 });
});
afterEach(() => mesh[Symbol.asyncDispose]());

it('finishes many parked calls soon after a restart, each once', async () => {
  const count = 200;
  await Promise.all(Array.from({ length: count }, (_, n) => mesh.run('once', { n })));
  await vi.waitFor(() => expect(executions.size).toBe(count), 15_000);
  await mesh.crash();
  release();
  await mesh.start({ lingerMs: 20 });
  const startedAt = performance.now();
  const completed = async () => (await mesh.coordinator.runs.list({ status: 'completed', limit: 500 })).runs.length;
  await vi.waitFor(async () => expect(await completed()).toBe(count), { timeout: 15_000, interval: 20 });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect([...executions.values()].every((times) => times === 1)).toBe(true);
}, 60_000);
