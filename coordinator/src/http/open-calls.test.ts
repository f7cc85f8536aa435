import { run } from '@daca-mesh/protocol/server';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { callOf, TestMesh } from '../runs/testing/test-mesh.ts';
import type { Script } from '../runs/testing/scripted-engine.ts';
import { query } from '../store/schema.ts';
import { openCallRoutes } from './open-calls.ts';
import { type ServedRoutes, serveRoutes } from './testing/serve-routes.ts';

/** Calls the agents that are named, all at once, and ends when they have answered. */
const ask: Script = async ({ activities, runId, input, call, scope }) => {
  // As the tests below start it.
  const { agents } = input as { agents: string[] };
  await Promise.all(agents.map((agent) => call(callOf(runId, agent, { target: { agent } }))));
  await activities.finish({ ...scope(), end: { status: 'completed', output: null } });
};

let mesh: TestMesh;
let served: ServedRoutes;
const answers = Promise.withResolvers<Record<string, unknown>>();
beforeEach(async () => {
  mesh = await TestMesh.create({ ask });
});
afterEach(async () => {
  await served[Symbol.asyncDispose]();
  await mesh[Symbol.asyncDispose]();
});

async function openCalls(runId: string): Promise<Record<string, unknown>[]> {
  const response = await fetch(`${served.url}/runs/${runId}/calls`);
  // The router has checked it against the schema.
  return ((await response.json()) as { calls: Record<string, unknown>[] }).calls;
}

it('shows what a run waits for: agents at work, agents that cannot be reached, agents not known yet', async () => {
  await mesh.agent({ work: () => answers.promise }, { name: 'busy' });
  const gone = await mesh.agent({ work: async () => ({}) }, { name: 'gone' });
  const late = await mesh.agent({ work: async () => ({}) }, { name: 'late' });
  await late.close();
  await mesh.start();
  const { database, directory, runs } = mesh.coordinator;
  served = await serveRoutes(openCallRoutes({ database, directory, runs }));
  await gone.close();
  const runId = await mesh.run('ask', { agents: ['busy', 'gone', 'late'] });
  await vi.waitFor(async () => {
    const calls = await openCalls(runId);
    const common = { attempt: 1, runId, createdAt: expect.any(String), deadline: expect.any(String) };
    const seen = { lastSeenAt: expect.any(String) };
    const retried = { state: 'unsent', nextTryAt: expect.any(String) };
    expect(calls.toSorted((a, b) => String(a['agent']).localeCompare(String(b['agent'])))).toMatchObject([
      { ...common, ...seen, agent: 'busy', agentStatus: 'up', state: 'working', taskId: expect.any(String) },
      { ...common, ...seen, ...retried, agent: 'gone', agentStatus: 'down', url: gone.url },
      { ...common, ...retried, agent: 'late', agentStatus: 'unknown' },
    ]);
    // Nobody is told to wait for an agent that works.
    expect(calls.find(({ agent }) => agent === 'busy')).not.toHaveProperty('nextTryAt');
  }, 20_000);
  expect((await fetch(`${served.url}/runs/nobody/calls`)).status).toBe(404);

  const child = await mesh.run('ask', { agents: ['late'] });
  await database.write(() =>
    run(query.updateTable('runs').set({ root_run_id: runId }).where('run_id', '=', child).compile()),
  );
  await vi.waitFor(async () => expect((await openCalls(runId)).at(-1)).toMatchObject({ runId: child }), 20_000);

  answers.resolve({});
  for (const [name, { url }] of Object.entries({ gone, late })) {
    await mesh.agent({ work: async () => ({}) }, { name, port: Number(new URL(url).port) });
  }
  await vi.waitFor(async () => expect(await openCalls(runId)).toEqual([]), 20_000);
});
