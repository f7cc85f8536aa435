import { once } from 'node:events';
import { run } from '@daca-mesh/protocol/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Script } from '../runs/testing/scripted-engine.ts';
import { type Behaviour, callOf, TestMesh } from '../runs/testing/test-mesh.ts';
import { query } from '../store/schema.ts';

const patient = { timeout: 20_000, interval: 50 };

const both: Script = async ({ activities, runId, scope, call }) => {
  const outcomes = await Promise.all([call(callOf(runId, 'first')), call(callOf(runId, 'second'))]);
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcomes } });
};

const elsewhere: Script = async ({ activities, runId, input, scope, call }) => {
  // The test gives it.
  const { url } = input as { url: string };
  const output = await call(callOf(runId, 'elsewhere', { target: { url } }));
  await activities.finish({ ...scope(), end: { status: 'completed', output } });
};

describe('an agent that comes back at another address', () => {
  let mesh: TestMesh;
  let runId: string;
  let oldUrl: string;
  /** What was done, by effect. */
  let done: Map<string, number>;
  /** Resolves when the agent may go on. */
  let held: PromiseWithResolvers<void>;

  const work: Behaviour = async ({ input, task }) => {
    await Promise.race([held.promise, once(task.signal, 'abort')]);
    task.signal.throwIfAborted();
    await task.once('effect', async () => {
      done.set(input.text ?? '', (done.get(input.text ?? '') ?? 0) + 1);
    });
    return { did: input.text };
  };
  const start = () => mesh.start({}, { foreign: { origins: [], loopback: true } });
  const addresses = async () => (await mesh.calls(runId)).map(({ peer_url }) => peer_url);
  /** Has a call done there: by then it was looked at. */
  const answersAt = async (url: string) => {
    const elsewhere = await mesh.run('elsewhere', { url });
    await expect.poll(async () => (await mesh.coordinator.runs.get(elsewhere)).status, patient).toBe('completed');
  };
  const outcome = async () => (await mesh.coordinator.runs.get(runId)).output;

  /** Two calls that are open at an agent, which then goes away with its coordinator. */
  beforeEach(async () => {
    done = new Map();
    held = Promise.withResolvers();
    mesh = await TestMesh.create({ both, elsewhere });
    const agent = await mesh.agent({ work });
    oldUrl = agent.url;
    await mesh.start();
    runId = await mesh.run('both');
    await vi.waitUntil(async () => {
      const calls = await mesh.calls(runId);
      return calls.length === 2 && calls.every(({ state }) => state === 'open');
    }, patient);
    // The answer of one of them is lost: whether it was sent must not matter.
    await mesh.coordinator.database.write(() =>
      run(query.updateTable('calls').set({ state: 'sending', task_id: null }).where('path', '=', 'second').compile()),
    );
    await mesh.stop();
    await agent.close();
  });
  afterEach(() => mesh[Symbol.asyncDispose]());

  it('is where its calls go on, once, when it is configured there', async () => {
    const { url } = await mesh.agent({ work });
    expect(url).not.toBe(oldUrl);
    mesh.forgetPeer(oldUrl);
    held.resolve();
    await start();
    await expect.poll(outcome, patient).toMatchObject([{ status: 'completed' }, { status: 'completed' }]);
    expect(await addresses()).toEqual([url, url]);
    expect([...done]).toEqual(
      expect.arrayContaining([
        ['first', 1],
        ['second', 1],
      ]),
    );
    expect(done.size).toBe(2);
  });

  it.each([
    ['is not configured there', (url: string) => [oldUrl, url]],
    ['is configured at the old one too', () => []],
  ])('is not told of them where it %s', async (_, forgotten) => {
    const { url } = await mesh.agent({ work });
    for (const each of forgotten(url)) mesh.forgetPeer(each);
    held.resolve();
    await start();
    await answersAt(url);
    expect(await addresses()).toEqual([oldUrl, oldUrl]);
  });

  it('is not told of them where it has the name only, and another store', async () => {
    const { url } = await mesh.agent({ work }, { store: 'another' });
    mesh.forgetPeer(oldUrl);
    held.resolve();
    await start();
    await answersAt(url);
    expect(await addresses()).toEqual([oldUrl, oldUrl]);
    expect([...done.keys()]).toEqual(['elsewhere']);
  });
});
