import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { all } from '@daca-mesh/protocol/server';
import type { Script } from '../runs/testing/scripted-engine.ts';
import { TestMesh } from '../runs/testing/test-mesh.ts';
import { query } from '../store/schema.ts';
import { eventNames, type WaitOutcome } from '../workflow-kit/contract.ts';
import { raiseEvent } from './raise.ts';

/** Takes events in the order they come, until one says stop. */
const listening: Script = async ({ activities, scope, event }) => {
  const got: unknown[] = [];
  for (;;) {
    const outcome = (await event(eventNames.wait('x'))) as WaitOutcome;
    if (outcome.status !== 'received') break;
    got.push(outcome.payload);
    await activities.progress({ ...scope(), message: `got ${got.length}` });
  }
  await activities.finish({ ...scope(), end: { status: 'completed', output: got } });
};

/** Takes an event only after another. */
const patient: Script = async ({ activities, scope, event }) => {
  await event(eventNames.wait('y'));
  const outcome = (await event(eventNames.wait('x'))) as WaitOutcome;
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

const received = (payload: unknown) => ({ status: 'received', payload });

describe('the outbox', () => {
  let mesh: TestMesh;
  beforeEach(async () => {
    mesh = await TestMesh.create({ listening, patient });
    await mesh.start();
  });
  afterEach(() => mesh[Symbol.asyncDispose]());

  const raise = (runId: string, payload: unknown, name = 'x') =>
    mesh.coordinator.database.write(() => raiseEvent(mesh.coordinator.signals, runId, eventNames.wait(name), payload));
  const rows = (runId: string) =>
    mesh.coordinator.database.read(() =>
      all(query.selectFrom('outbox').selectAll().where('run_id', '=', runId).orderBy('outbox_id').compile()),
    );
  const outputOf = (runId: string) =>
    vi.waitFor(async () => {
      const run = await mesh.coordinator.runs.get(runId);
      expect(run.status).toBe('completed');
      return run.output;
    }, 10_000);

  it('keeps the order of a run while the engine comes and goes', async () => {
    mesh.engine.up = false;
    const runId = await mesh.run('listening');
    for (let n = 0; n < 10; n++) await raise(runId, received(n));
    mesh.engine.serves = false;
    mesh.engine.up = true;
    await vi.waitFor(async () => expect((await rows(runId))[0]?.tries).toBeGreaterThan(0));
    expect((await rows(runId)).map(({ state }) => state)).toEqual(Array.from({ length: 11 }, () => 'pending'));
    mesh.engine.serves = true;
    mesh.engine.reconnect();
    for (let n = 10; n < 20; n++) await raise(runId, received(n));
    await raise(runId, { status: 'timed-out' });
    expect(await outputOf(runId)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  it('has outcomes on their way together, and the rest one by one', async () => {
    mesh.engine.up = false;
    const runId = await mesh.run('listening');
    const log: string[] = [];
    const raiseAtEngine = mesh.engine.raise.bind(mesh.engine);
    mesh.engine.raise = async (id, name, event) => {
      log.push(`+${name}`);
      await new Promise((wake) => setImmediate(wake));
      log.push(`-${name}`);
      return raiseAtEngine(id, name, event);
    };
    for (const name of ['a', 'b']) await raise(runId, received(name), name);
    const { database, signals } = mesh.coordinator;
    await database.write(() => raiseEvent(signals, runId, eventNames.cancel, {}));
    for (const name of ['c', 'd']) await raise(runId, received(name), name);
    mesh.engine.up = true;
    mesh.engine.reconnect();
    await vi.waitFor(
      async () => expect((await rows(runId)).every(({ state }) => state !== 'pending')).toBe(true),
      5_000,
    );
    const together = '+wait:a +wait:b -wait:a -wait:b +cancel -cancel +wait:c +wait:d -wait:c -wait:d';
    expect(log.join(' ')).toBe(together);
    await raise(runId, { status: 'timed-out' });
    await outputOf(runId);
  });

  it('tries nothing while the engine is away, and all of it when it is there', async () => {
    mesh.engine.up = false;
    const runId = await mesh.run('listening');
    const looked = vi.spyOn(mesh.engine, 'ready');
    await vi.waitFor(() => expect(looked.mock.calls.length).toBeGreaterThan(2), 5_000);
    expect(await rows(runId)).toMatchObject([{ state: 'pending', tries: 0 }]);
    // The first connection is no reconnection: nobody tells of it.
    mesh.engine.up = true;
    await raise(runId, { status: 'timed-out' });
    expect(await outputOf(runId)).toEqual([]);
  });

  it('counts what failed together as one failure', async () => {
    mesh.engine.serves = false;
    const runIds = await Promise.all(Array.from({ length: 20 }, () => mesh.run('listening')));
    await vi.waitFor(async () => {
      for (const runId of runIds) expect((await rows(runId))[0]?.tries).toBeGreaterThan(0);
    }, 5_000);
    mesh.engine.serves = true;
    // Twenty failures one after the other would be a pause of 5 s.
    await vi.waitFor(() => expect(mesh.engine.starts).toHaveLength(20), 4_000);
  });

  it('raises again what is not known to be consumed, and nothing else', async () => {
    const runId = await mesh.run('listening');
    await raise(runId, received('first'));
    await vi.waitFor(async () => expect(await mesh.timelineTypes(runId)).toContain('progress'));
    await vi.waitFor(async () => expect((await rows(runId)).map(({ state }) => state)).toEqual(['done', 'done']));
    mesh.engine.reconnect();
    await raise(runId, { status: 'timed-out' });
    await outputOf(runId);
    expect(mesh.engine.raised.map(({ n }) => n)).toEqual([1, 2]);
    expect((await rows(runId)).every(({ state }) => state === 'done')).toBe(true);
  });

  it('raises what was taken but not consumed again when the engine comes back without it', async () => {
    const runId = await mesh.run('patient');
    await raise(runId, received('kept'));
    await vi.waitFor(async () => expect((await rows(runId)).at(-1)?.state).toBe('raised'));
    mesh.engine.instances.get(runId)?.received.splice(0);
    mesh.engine.reconnect();
    await raise(runId, received('now'), 'y');
    expect(await outputOf(runId)).toEqual(received('kept'));
  });

  it('starts a run again whose instance is gone; its steps read the rows', async () => {
    const runId = await mesh.run('listening');
    await raise(runId, received('lost'));
    await vi.waitFor(async () => expect((await rows(runId)).at(-1)?.state).toBe('done'));
    await mesh.crash();
    await mesh.start();
    await vi.waitFor(() => expect(mesh.engine.starts).toHaveLength(1), 5_000);
    await raise(runId, { status: 'timed-out' });
    expect(await outputOf(runId)).toEqual([]);
  });

  it('does not let one refused row stop the others', async () => {
    const refused = await mesh.run('listening');
    await vi.waitFor(() => expect(mesh.engine.instances.has(refused)).toBe(true));
    mesh.engine.instances.delete(refused);
    await raise(refused, received(1));
    const runId = await mesh.run('listening');
    await raise(runId, { status: 'timed-out' });
    expect(await outputOf(runId)).toEqual([]);
  });
});
