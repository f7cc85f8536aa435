import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WorkflowResponseSchema, WorkflowStatus, WorkItemSchema } from '../gen/durable_task_pb.ts';
import { silentLogger, type Logger } from '../logger.ts';
import { prepareSchema } from '../store/schema.ts';
import { SqliteDatabase } from '../store/sqlite-database.ts';
import { createStore } from '../store/store.ts';
import { ClientOperations } from './client-operations.ts';
import { Engine } from './engine.ts';
import { ISOLATED_TURN_MS, ISOLATION_MS } from './isolation.ts';
import { Quarantine } from './quarantine.ts';

const request = (id: string) =>
  ({ id, name: 'flow', executionId: undefined, version: undefined, input: undefined, scheduledAt: undefined }) as const;

describe('a suspect', () => {
  let folder: string;
  let close: () => Promise<void>;
  const warn = vi.fn<Logger['warn']>();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'isolation-'));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    warn.mockReset();
  });
  afterEach(async () => {
    vi.useRealTimers();
    await close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** An engine of the next process, after `lives` that were killed during the turns of all suspects. */
  async function startEngine(suspects: readonly string[], innocent: readonly string[]) {
    const database = new SqliteDatabase(join(folder, 'engine.db'), 'normal', () => {});
    close = () => database.close();
    prepareSchema(database);
    const store = createStore(database);
    const open = () => new Quarantine(join(folder, 'marks'), store, { ...silentLogger, warn });
    const newEngine = (quarantine?: Quarantine) =>
      new Engine({ store, logger: silentLogger, now: Date.now, maxMessageBytes: 1_000_000, quarantine });
    const before = new ClientOperations(newEngine());
    for (const id of [...innocent, ...suspects]) await before.create(request(id));
    for (let life = 0; life < 2; life += 1) {
      const killed = open();
      killed.judge();
      killed.open();
      for (const id of suspects) {
        const instance = store.instances.byId(id);
        if (instance !== undefined) killed.begin(instance);
      }
    }
    const engine = newEngine(open());
    await engine.start();
    return { engine, operations: new ClientOperations(engine), judgeNext: () => open().judge() };
  }

  it('that hangs keeps others waiting for a limited time only, and is still to blame if the process ends', async () => {
    const { engine, judgeNext } = await startEngine(['hangs'], ['a', 'b']);
    const { items } = connect(engine);
    vi.advanceTimersByTime(ISOLATED_TURN_MS - 1);
    expect(items).toEqual(['hangs']);
    expect(warn).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(items).toEqual(['hangs', 'a', 'b']);
    expect(warn).toHaveBeenCalledExactlyOnceWith({ instanceId: 'hangs' }, expect.stringContaining('hangs'));
    expect(judgeNext().culprits).toMatchObject([{ id: 'hangs' }]);
  });

  it('that hangs leaves the next one its own time alone', async () => {
    const { engine } = await startEngine(['hangs', 'next'], ['a']);
    const { items } = connect(engine);
    vi.advanceTimersByTime(ISOLATED_TURN_MS);
    expect(items).toEqual(['hangs', 'next']);
    vi.advanceTimersByTime(ISOLATED_TURN_MS / 2);
    // Its answer after all does not end the time of the other.
    await answer(engine, 'hangs');
    expect(items).toEqual(['hangs', 'next']);
    await answer(engine, 'next');
    expect(items).toEqual(['hangs', 'next', 'a']);
    expect(warn).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(ISOLATION_MS);
    expect(warn).toHaveBeenCalledOnce();
  });

  it('loses no time while there is no worker', async () => {
    const { engine } = await startEngine(['suspect'], ['a']);
    vi.advanceTimersByTime(10 * ISOLATION_MS);
    const first = connect(engine);
    vi.advanceTimersByTime(ISOLATED_TURN_MS / 2);
    first.disconnect();
    vi.advanceTimersByTime(10 * ISOLATION_MS);
    const second = connect(engine);
    vi.advanceTimersByTime(ISOLATED_TURN_MS - 1);
    expect([...first.items, ...second.items]).toEqual(['suspect', 'suspect']);
    vi.advanceTimersByTime(1);
    expect(second.items).toEqual(['suspect', 'a']);
  });

  it('stops nobody for long, even if there are many, or if its worker is lost again and again', async () => {
    const suspects = Array.from({ length: 20 }, (_, n) => `hangs-${n}`);
    const { engine } = await startEngine(suspects, ['a']);
    let { items, disconnect } = connect(engine);
    for (let waitedMs = 0; waitedMs < ISOLATION_MS; waitedMs += ISOLATED_TURN_MS / 2) {
      expect(items).not.toContain('a');
      disconnect();
      ({ items, disconnect } = connect(engine));
      vi.advanceTimersByTime(ISOLATED_TURN_MS / 2);
    }
    expect(items.toSorted()).toEqual(['a', ...suspects].toSorted());
  });

  it('without a worker keeps nobody from starting, raising and looking', { timeout: 10_000 }, async () => {
    const { operations } = await startEngine(['suspect'], ['a']);
    await operations.create(request('new'));
    for (const id of ['suspect', 'a', 'new']) await operations.raiseEvent(id, 'e', undefined);
    expect(operations.get('new')).toMatchObject({ status: WorkflowStatus.PENDING });
    await operations.terminate('suspect', undefined, false);
    expect(operations.get('suspect')).toMatchObject({ status: WorkflowStatus.TERMINATED });
  });
});

/** What it was handed, by instance id. */
function connect(engine: Engine) {
  const items: string[] = [];
  const send = (bytes: Uint8Array): void => {
    const { request: item } = fromBinary(WorkItemSchema, bytes);
    if (item.case === 'workflowRequest') items.push(item.value.instanceId);
  };
  const disconnect = engine.connectWorker({ send, end: () => {} }, { maxUnacked: 1000, maxUnackedActivities: 900 });
  return { items, disconnect };
}

const answer = (engine: Engine, instanceId: string) =>
  engine.completeTurn(create(WorkflowResponseSchema, { instanceId }), 0);
