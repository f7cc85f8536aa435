import { join } from 'node:path';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClientOperations } from '../src/engine/client-operations.ts';
import { Engine } from '../src/engine/engine.ts';
import type { Unit } from '../src/engine/unit.ts';
import { WorkflowStatus } from '../src/gen/durable_task_pb.ts';
import { silentLogger } from '../src/logger.ts';
import type { Parent } from '../src/store/instances.ts';
import { prepareSchema } from '../src/store/schema.ts';
import { SqliteDatabase } from '../src/store/sqlite-database.ts';
import { createStore } from '../src/store/store.ts';
import { child, complete, continueAsNew, schedule, Wire } from './turns.ts';
import { temporaryFolder } from './world.ts';

const { COMPLETED, RUNNING, TERMINATED } = WorkflowStatus;

/** parent and child are over, grandchild is active. */
async function runFamily(wire: Wire): Promise<void> {
  await wire.run('parent', [child(1, 'child'), complete(2, '1')]);
  await wire.worker.nextTurn();
  await wire.answer('child', [child(1, 'grandchild'), complete(2, '1')]);
  await wire.worker.nextTurn();
  await wire.answer('grandchild', []);
}

describe('a purge', () => {
  let wire: Wire;

  beforeEach(async () => {
    wire = await Wire.open();
  });
  afterEach(() => wire[Symbol.asyncDispose]());

  const list = async () => (await wire.client.call('listInstanceIDs', {})).instanceIds;
  const purgeMatching = (value: object, options: object = {}) =>
    wire.client.call('purgeInstances', { request: { case: 'purgeInstanceFilter', value }, ...options });

  it('takes no children along unless asked to, and then only if they are over', async () => {
    await runFamily(wire);
    await expect(wire.purge('parent', { recursive: true })).rejects.toMatchObject({
      code: 2,
      details:
        'failed to purge workflow state: failed to purge child workflow: failed to purge child workflow: orchestration has not yet completed',
    });
    expect(await list()).toHaveLength(3);
    await wire.client.call('terminateInstance', { instanceId: 'grandchild' });
    expect(await wire.purge('child')).toMatchObject({ deletedInstanceCount: 1 });
    // The grandchild lost its way up to the parent with that.
    expect(await wire.purge('parent', { recursive: true })).toMatchObject({ deletedInstanceCount: 1 });
    expect(await list()).toEqual(['grandchild']);
  });

  it('takes what is active by force', async () => {
    await runFamily(wire);
    expect(await wire.purge('parent', { recursive: true, force: true })).toMatchObject({ deletedInstanceCount: 3 });
    expect(await list()).toEqual([]);
    // The answer to a turn of an instance that is gone harms nobody.
    await wire.answer('grandchild', [complete(1, '1')]);
  });

  it("says in daprd's words that there is nothing to purge", async () => {
    await expect(wire.purge('nobody')).rejects.toMatchObject({
      code: 2,
      details: 'failed to purge workflow state: no such instance exists',
    });
    await expect(wire.purge('nobody', { recursive: true })).rejects.toMatchObject({
      code: 2,
      details: 'failed to purge workflow state: failed to fetch workflow state: no such instance exists',
    });
  });

  it('leaves children of an earlier generation alone, as recursive termination does', async () => {
    const started = wire.start('parent');
    await wire.worker.nextTurn();
    await wire.answer('parent', [child(1, 'old')]);
    await started;
    await wire.worker.nextTurn();
    await wire.answer('old', []);
    await wire.client.call('raiseEvent', { instanceId: 'parent', name: 'e' });
    await wire.worker.nextTurn();
    await wire.answer('parent', [continueAsNew(2, '2')]);
    await wire.worker.nextTurn();
    await wire.answer('parent', [child(1, 'new')]);
    await wire.worker.nextTurn();
    await wire.client.call('terminateInstance', { instanceId: 'parent', recursive: true });
    expect(await wire.state('new')).toMatchObject({ workflowStatus: TERMINATED });
    expect(await wire.state('old')).toMatchObject({ workflowStatus: RUNNING });
    expect(await wire.purge('parent', { recursive: true })).toMatchObject({ deletedInstanceCount: 2 });
  });

  it('by filter takes what is over, was created in time and ended so', async () => {
    await wire.run('done', [complete(1, '1')]);
    await wire.run('stopped', []);
    await wire.client.call('terminateInstance', { instanceId: 'stopped' });
    await wire.run('active', []);
    const from = timestampFromMs(Date.now() - 60_000);
    const to = timestampFromMs(Date.now() + 60_000);
    expect(await purgeMatching({ createdTimeFrom: to })).toMatchObject({ deletedInstanceCount: 0 });
    expect(await purgeMatching({ createdTimeTo: from })).toMatchObject({ deletedInstanceCount: 0 });
    const deleted = await purgeMatching({ createdTimeFrom: from, createdTimeTo: to, runtimeStatus: [TERMINATED] });
    expect(deleted).toMatchObject({ deletedInstanceCount: 1, isComplete: true });
    expect(await list()).toEqual(['done', 'active']);
    expect(await purgeMatching({ runtimeStatus: [COMPLETED, RUNNING] })).toMatchObject({ deletedInstanceCount: 1 });
    expect(await list()).toEqual(['active']);
    expect(await purgeMatching({}, { force: true })).toMatchObject({ deletedInstanceCount: 1 });
  });

  it('by filter keeps a family with an active member, and counts one that is over once', async () => {
    await runFamily(wire);
    await wire.run('other', [complete(1, '1')]);
    expect(await purgeMatching({}, { recursive: true })).toMatchObject({ deletedInstanceCount: 1 });
    await wire.client.call('terminateInstance', { instanceId: 'grandchild' });
    expect(await purgeMatching({}, { recursive: true })).toMatchObject({ deletedInstanceCount: 3 });
    expect(await list()).toEqual([]);
  });
});

describe('an instance id', () => {
  let wire: Wire;

  beforeEach(async () => {
    wire = await Wire.open();
  });
  afterEach(() => wire[Symbol.asyncDispose]());

  it('is not used again while a descendant of its former owner is active', async () => {
    await runFamily(wire);
    await expect(wire.start('parent')).rejects.toMatchObject({
      code: 6,
      details:
        "failed to create workflow instance: rpc error: code = AlreadyExists desc = cannot recreate workflow with ID 'parent': child workflow 'child': child workflow 'grandchild': orchestration has not yet completed",
    });
    await wire.client.call('terminateInstance', { instanceId: 'grandchild' });
    await wire.run('parent', [schedule(1)]);
    expect(await wire.history('parent')).toHaveLength(3);
  });

  it.each(['a/b', 'a\\b', 'a#b', 'a?b', 'a\nb'])('is refused if daprd has no room for it: %j', async (id) => {
    await expect(wire.start(id)).rejects.toMatchObject({
      code: 2,
      details: expect.stringMatching(
        /^failed to create workflow instance: rpc error: code = Unknown desc = .*must not/,
      ),
    });
  });
});

describe('Engine.purgeExpired', () => {
  const HOUR_MS = 3_600_000;

  it('deletes what ended longer ago than it is to be kept, however much that is', async () => {
    using folder = temporaryFolder();
    const database = new SqliteDatabase(join(folder.path, 'engine.db'), 'normal', () => {});
    prepareSchema(database);
    const store = createStore(database);
    let now = Date.now();
    const engine = new Engine({ store, logger: silentLogger, now: () => now, maxMessageBytes: 1000 });
    const operations = new ClientOperations(engine);
    const end = async (id: string, status: WorkflowStatus) => {
      const request = { id, executionId: undefined, name: 'flow', version: undefined, input: undefined };
      await operations.create({ ...request, scheduledAt: now + 100 * HOUR_MS });
      if (status === TERMINATED) return operations.terminate(id, undefined, false);
      return engine.commit((unit) => {
        const instance = store.instances.byId(id);
        if (instance !== undefined) {
          engine.lifecycle.end(instance, { status, output: undefined, failure: undefined }, 0, '', unit);
        }
      });
    };
    try {
      await Promise.all(Array.from({ length: 450 }, (_, n) => end(`completed-${n}`, COMPLETED)));
      await end('terminated', TERMINATED);
      await end('failed', WorkflowStatus.FAILED);
      await operations.create({
        id: 'active',
        executionId: undefined,
        name: 'flow',
        version: undefined,
        input: undefined,
        scheduledAt: now + 200 * HOUR_MS,
      });
      now += HOUR_MS;
      await end('young', COMPLETED);
      expect(await engine.purgeExpired({}, now)).toBe(0);
      expect(await engine.purgeExpired({ anyTerminal: 2 * HOUR_MS }, now)).toBe(0);
      now += HOUR_MS;
      const policy = { anyTerminal: 1.5 * HOUR_MS, terminated: 3 * HOUR_MS };
      // Other work goes on between its commits.
      const done: string[] = [];
      const purging = engine.purgeExpired(policy, now).finally(() => done.push('purged'));
      const raising = operations.raiseEvent('active', 'e', undefined).finally(() => done.push('raised'));
      expect(await purging).toBe(451);
      await raising;
      expect(done).toEqual(['raised', 'purged']);
      const left = operations.list(10, undefined).ids;
      expect(left).toEqual(['terminated', 'active', 'young']);
      now += 2 * HOUR_MS;
      expect(await engine.purgeExpired(policy, now)).toBe(2);
      const rows = (table: string) => database.get<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)?.n;
      expect(['instances', 'payloads', 'history', 'inbox', 'timers'].map(rows)).toEqual([1, 1, 0, 2, 1]);
    } finally {
      engine.stop();
      await database.close();
    }
  });
});

it('a family that is deeper than the stack is terminated, found and purged', { timeout: 60_000 }, async () => {
  const GENERATIONS = 10_000;
  using folder = temporaryFolder();
  const database = new SqliteDatabase(join(folder.path, 'engine.db'), 'normal', () => {});
  prepareSchema(database);
  const store = createStore(database);
  const engine = new Engine({ store, logger: silentLogger, now: Date.now, maxMessageBytes: 10_000 });
  try {
    const create = (unit: Unit, id: string, parent: Parent | undefined): void => {
      const origin = { name: 'flow', version: undefined, input: undefined, scheduledAt: undefined, held: false };
      engine.lifecycle.create({ ...origin, id, executionId: id, parent }, unit);
    };
    await engine.commit((unit) => {
      let parent: Parent | undefined;
      for (let n = 0; n < GENERATIONS; n += 1) {
        create(unit, `${n}`, parent);
        const instance = store.instances.byId(`${n}`);
        parent = instance && { instance, taskId: 1 };
      }
    });
    const operations = new ClientOperations(engine);
    await operations.terminate('0', undefined, true);
    expect(operations.get(`${GENERATIONS - 1}`)).toMatchObject({ status: TERMINATED });
    const first = operations.get('0');
    await engine.commit((unit) => create(unit, '0', undefined));
    // Only its children made it part of the family.
    expect(operations.get('0')?.run).not.toBe(first?.run);
    expect(await operations.purge('1', { recursive: true, force: false })).toBe(GENERATIONS - 1);
  } finally {
    engine.stop();
    await database.close();
  }
});
