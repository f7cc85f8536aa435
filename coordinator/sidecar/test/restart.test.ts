import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { WorkflowContext } from '@dapr/dapr';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { QuarantineMarks } from '../src/engine/quarantine-marks.ts';
import { WorkflowStatus } from '../src/gen/durable_task_pb.ts';
import { startSidecar, type SidecarError } from '../src/index.ts';
import { RawClient } from './raw-client.ts';
import { startWorld, temporaryFolder } from './world.ts';

const DAY_MS = 24 * 3600 * 1000;
const id = 'run-1';

afterEach(() => {
  vi.useRealTimers();
});

describe('a restarted sidecar', () => {
  it('fires the timers that came due in between, long ones too, once', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    {
      await using sidecar = await startSidecar({ path });
      using client = new RawClient(sidecar.address);
      const worker = client.worker();
      const started = client.call('startInstance', { instanceId: id, name: 'flow' });
      await worker.nextTurn();
      const fireAt = timestampFromMs(Date.now() + 60 * DAY_MS);
      const actions = [{ id: 1, action: { case: 'createTimer' as const, value: { fireAt } } }];
      await client.call('completeOrchestratorTask', { instanceId: id, actions });
      await started;
      expect(worker.items).toEqual([]);
    }
    vi.useFakeTimers({ now: Date.now() + 61 * DAY_MS, toFake: ['Date'] });
    await using sidecar = await startSidecar({ path });
    using client = new RawClient(sidecar.address);
    const worker = client.worker();
    expect((await worker.nextTurn()).newEvents).toHaveLength(2);
    await client.call('completeOrchestratorTask', { instanceId: id, actions: [] });
    expect(worker.items).toEqual([]);
  });

  it('starts what was to start in between', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    {
      await using sidecar = await startSidecar({ path });
      using client = new RawClient(sidecar.address);
      const scheduledStartTimestamp = timestampFromMs(Date.now() + DAY_MS);
      await client.call('startInstance', { instanceId: id, name: 'flow', scheduledStartTimestamp });
      await client.call('raiseEvent', { instanceId: id, name: 'early' });
    }
    {
      await using sidecar = await startSidecar({ path });
      using client = new RawClient(sidecar.address);
      const { workflowState } = await client.call('getInstance', { instanceId: id });
      expect(workflowState).toMatchObject({ workflowStatus: WorkflowStatus.PENDING });
    }
    vi.useFakeTimers({ now: Date.now() + 2 * DAY_MS, toFake: ['Date'] });
    await using sidecar = await startSidecar({ path });
    using client = new RawClient(sidecar.address);
    expect((await client.worker().nextTurn()).newEvents).toHaveLength(3);
  });

  it('waits for times beyond all calendars, and for others beside them', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    // More milliseconds than a number can count, and fewer than SQLite can store.
    const never = { seconds: 10n ** 14n, nanos: 0 };
    {
      await using sidecar = await startSidecar({ path });
      using client = new RawClient(sidecar.address);
      const worker = client.worker();
      await client.call('startInstance', { instanceId: 'held', name: 'flow', scheduledStartTimestamp: never });
      const started = client.call('startInstance', { instanceId: id, name: 'flow' });
      await worker.nextTurn();
      const action = { case: 'createTimer' as const, value: { fireAt: never } };
      await client.call('completeOrchestratorTask', { instanceId: id, actions: [{ id: 1, action }] });
      await started;
    }
    await using sidecar = await startSidecar({ path });
    using client = new RawClient(sidecar.address);
    for (const [instanceId, workflowStatus] of [
      ['held', WorkflowStatus.PENDING],
      [id, WorkflowStatus.RUNNING],
    ] as const) {
      const { workflowState } = await client.call('getInstance', { instanceId });
      expect(workflowState).toMatchObject({ workflowStatus });
    }
    const soon = timestampFromMs(Date.now() + 100);
    await client.call('startInstance', { instanceId: 'soon', name: 'flow', scheduledStartTimestamp: soon });
    expect(await client.worker().nextTurn()).toMatchObject({ instanceId: 'soon' });
  });

  it('hands out again what its workers had not answered', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    {
      await using sidecar = await startSidecar({ path });
      using client = new RawClient(sidecar.address);
      const worker = client.worker();
      const started = client.call('startInstance', { instanceId: id, name: 'flow' });
      await worker.nextTurn();
      const actions = [{ id: 1, action: { case: 'scheduleTask' as const, value: { name: 'work', input: '7' } } }];
      await client.call('completeOrchestratorTask', { instanceId: id, actions });
      await started;
      await worker.nextActivity();
      const late = client.call('startInstance', { instanceId: 'run-2', name: 'flow' });
      await worker.nextTurn();
      await Promise.all([sidecar.close(), expect(late).rejects.toMatchObject({ code: 14 })]);
      expect(worker.ended).toBe('cleanly');
    }
    await using sidecar = await startSidecar({ path });
    using client = new RawClient(sidecar.address);
    const worker = client.worker();
    expect(await worker.nextTurn()).toMatchObject({ instanceId: 'run-2' });
    expect(await worker.nextActivity()).toMatchObject({ name: 'work', input: '7' });
  });
});

describe('a sidecar on a file that version 1 wrote', () => {
  it('goes on with what is in it', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    {
      using database = new DatabaseSync(path);
      database.exec(readFileSync(new URL('fixtures/schema-v1.sql', import.meta.url), 'utf8'));
    }
    await using sidecar = await startSidecar({ path });
    using client = new RawClient(sidecar.address);
    const worker = client.worker();
    const items = [await worker.nextTurn(), await worker.nextTurn()];
    expect(items.map(({ instanceId }) => instanceId)).toEqual(['active', 'child']);
    expect(items[0]?.pastEvents).toHaveLength(5);
    expect(await worker.nextActivity()).toMatchObject({ name: 'work', input: '7' });
    const actions = [
      { id: 4, action: { case: 'completeWorkflow' as const, value: { workflowStatus: WorkflowStatus.COMPLETED } } },
    ];
    await client.call('completeOrchestratorTask', { instanceId: 'active', actions });
    const { workflowState } = await client.call('getInstance', { instanceId: 'active', getInputsAndOutputs: true });
    expect(workflowState).toMatchObject({
      workflowStatus: WorkflowStatus.COMPLETED,
      input: '"in"',
      customStatus: 'busy',
    });
    const { instanceIds } = await client.call('listInstanceIDs', {});
    expect(instanceIds).toEqual(['over', 'active', 'child', 'later']);
  });
});

describe('an SDK worker', () => {
  it('comes back by itself when its sidecar was closed in an orderly way', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    await using world = await startWorld({ path }, (runtime) => {
      runtime.registerWorkflowWithName('double', async (_context: WorkflowContext, value: number) => value * 2);
    });
    const { port } = world.sidecar;
    expect(await world.client.scheduleNewWorkflow('double', 1, id)).toBe(id);
    await world.sidecar.close();
    await using sidecar = await startSidecar({ path, port });
    expect(sidecar.port).toBe(port);
    // Nobody but the worker that lost its stream can run this.
    await world.client.scheduleNewWorkflow('double', 21, id);
    const state = await world.client.waitForWorkflowCompletion(id, true, 10);
    expect(state?.serializedOutput).toBe('42');
  });
});

describe('the database of a running sidecar', () => {
  it('is refused to a second one of the same process, and free after close', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    const sidecar = await startSidecar({ path });
    await expect(startSidecar({ path })).rejects.toMatchObject({ code: 'DATABASE_LOCKED' });
    await sidecar.close();
    await sidecar.close();
    await (await startSidecar({ path })).close();
  });

  it('is refused to another process, which is told who has it, and free when the holder is killed', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    const index = new URL('../src/index.ts', import.meta.url).href;
    const program = `
      const { startSidecar } = await import(${JSON.stringify(index)});
      await startSidecar({ path: ${JSON.stringify(path)} });
      process.stdout.write('ready');`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(holder.stdout, 'data');
      await expect(startSidecar({ path })).rejects.toMatchObject({
        code: 'DATABASE_LOCKED',
        message: expect.stringContaining(`in use by process ${holder.pid}`),
      });
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    await using sidecar = await startSidecar({ path });
    expect(JSON.parse(readFileSync(`${path}.lock.json`, 'utf8'))).toMatchObject({ pid: process.pid });
    expect(sidecar.port).toBeGreaterThan(0);
  });

  it('is free again when a start fails on its address', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    await using other = await startSidecar({ path: join(folder.path, 'other.db') });
    await expect(startSidecar({ path, port: other.port })).rejects.toMatchObject({ code: 'ADDRESS_UNAVAILABLE' });
    await using sidecar = await startSidecar({ path });
    expect(sidecar.address).toBe(`127.0.0.1:${sidecar.port}`);
  });

  it('is refused if something else wrote it', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    {
      using other = new DatabaseSync(path);
      other.exec('CREATE TABLE something (else_ INTEGER)');
    }
    await expect(startSidecar({ path })).rejects.toMatchObject({ code: 'DATABASE_VERSION' });
  });
});

describe('a failed commit', () => {
  it('is told to everybody, shows nothing of what it was about, and is over after a restart', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    {
      const onFailure = vi.fn<(error: SidecarError) => void>();
      await using sidecar = await startSidecar({ path, onFailure });
      using client = new RawClient(sidecar.address);
      const worker = client.worker();
      const started = client.call('startInstance', { instanceId: id, name: 'flow' });
      await worker.nextTurn();
      await client.call('completeOrchestratorTask', { instanceId: id, actions: [] });
      await started;
      const waiting = client.call('waitForInstanceCompletion', { instanceId: id });
      waiting.catch(() => {});
      sabotageCommits(path);
      const refusal = { code: 13, details: expect.stringContaining('restart to recover') };
      await expect(client.call('raiseEvent', { instanceId: id, name: 'lost' })).rejects.toMatchObject(refusal);
      await expect(waiting).rejects.toMatchObject({ code: 14 });
      await expect(client.call('getInstance', { instanceId: id })).rejects.toMatchObject(refusal);
      await expect(client.call('startInstance', { name: 'flow' })).rejects.toMatchObject(refusal);
      expect(onFailure).toHaveBeenCalledOnce();
      expect(onFailure.mock.calls[0]?.[0]).toMatchObject({ code: 'DATABASE_FAILED' });
      await vi.waitFor(() => expect(worker.ended).toBe('cleanly'));
      expect(worker.items).toEqual([]);
    }
    repairCommits(path);
    await using sidecar = await startSidecar({ path });
    using client = new RawClient(sidecar.address);
    const worker = client.worker();
    await client.call('raiseEvent', { instanceId: id, name: 'kept' });
    // The start of the turn and one event: the lost one is not there.
    expect((await worker.nextTurn()).newEvents).toHaveLength(2);
  });

  it('is no fault of the turns in progress, however the process ends', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'engine.db');
    await using sidecar = await startSidecar({ path });
    using client = new RawClient(sidecar.address);
    const worker = client.worker();
    client.call('startInstance', { instanceId: id, name: 'flow' }).catch(() => {});
    await worker.nextTurn();
    const marks = () => new QuarantineMarks(`${path}.turns`).read();
    expect(marks()).toHaveLength(1);
    sabotageCommits(path);
    await expect(client.call('raiseEvent', { instanceId: id, name: 'lost' })).rejects.toMatchObject({ code: 13 });
    expect(marks()).toEqual([]);
  });
});

/** From outside, makes every COMMIT that adds to an inbox fail on a deferred foreign key. */
function sabotageCommits(path: string): void {
  using other = new DatabaseSync(path);
  other.exec(`
    CREATE TABLE owners (id INTEGER PRIMARY KEY);
    CREATE TABLE owned (owner INTEGER REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER sabotage AFTER INSERT ON inbox BEGIN INSERT INTO owned VALUES (1); END;`);
}

function repairCommits(path: string): void {
  using other = new DatabaseSync(path);
  other.exec('DROP TRIGGER sabotage; DROP TABLE owned; DROP TABLE owners');
}
