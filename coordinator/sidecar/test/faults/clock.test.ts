import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClientOperations } from '../../src/engine/client-operations.ts';
import { Engine } from '../../src/engine/engine.ts';
import { HistoryEventSchema, WorkflowResponseSchema, WorkItemSchema } from '../../src/gen/durable_task_pb.ts';
import { silentLogger } from '../../src/logger.ts';
import { prepareSchema } from '../../src/store/schema.ts';
import { SqliteDatabase } from '../../src/store/sqlite-database.ts';
import { createStore } from '../../src/store/store.ts';
import { temporaryFolder } from '../world.ts';

const HOUR_MS = 3600 * 1000;
/** The engine notices within this time that the clock was set. */
const NOTICE_MS = 31_000;
const limits = { maxUnacked: 10, maxUnackedActivities: 9 };

describe('a clock that is set', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let database: SqliteDatabase;
  let engine: Engine;
  let now: number;
  /** The kinds of the new events of each turn. */
  let turns: (string | undefined)[][];

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    folder = temporaryFolder();
    now = Date.UTC(2026, 5, 1);
    turns = [];
    database = new SqliteDatabase(join(folder.path, 'engine.db'), 'normal', () => {});
    prepareSchema(database);
    engine = new Engine({
      store: createStore(database),
      logger: silentLogger,
      now: () => now,
      maxMessageBytes: 10_000,
    });
    await engine.start();
  });
  afterEach(async () => {
    engine.stop();
    await database.close();
    folder[Symbol.dispose]();
    vi.useRealTimers();
  });

  /** One workflow; its first turn sets a timer, all others do nothing. */
  const sleepFor = async (sleepMs: number): Promise<void> => {
    const action = { case: 'createTimer' as const, value: { fireAt: timestampFromMs(now + sleepMs) } };
    const send = (bytes: Uint8Array): void => {
      const { request, completionToken } = fromBinary(WorkItemSchema, bytes);
      if (request.case !== 'workflowRequest') throw new TypeError('expected a turn');
      const { instanceId, newEvents } = request.value;
      turns.push(newEvents.map((event) => fromBinary(HistoryEventSchema, event).event.case));
      const actions = turns.length === 1 ? [{ id: 1, action }] : [];
      engine
        .completeTurn(create(WorkflowResponseSchema, { instanceId, completionToken, actions }), 1)
        .catch((error: unknown) => {
          throw error;
        });
    };
    engine.connectWorker({ send, end: () => {} }, limits);
    await start('sleeper');
    await pass(0);
    expect(turns).toEqual([['workflowStarted', 'executionStarted']]);
  };
  const start = (id: string): Promise<string> => {
    const rest = { executionId: undefined, version: undefined, input: undefined, scheduledAt: undefined };
    return new ClientOperations(engine).create({ id, name: 'flow', ...rest });
  };
  const fired = ['workflowStarted', 'timerFired'];

  it('back loses no timer and fires none early: it waits until its time comes again', async () => {
    await sleepFor(1000);
    now -= 24 * HOUR_MS;
    await pass(NOTICE_MS);
    await pass(NOTICE_MS);
    expect(turns).toHaveLength(1);
    now += 24 * HOUR_MS + 1000;
    await pass(NOTICE_MS);
    expect(turns.slice(1)).toEqual([fired]);
    now -= 24 * HOUR_MS;
    await pass(NOTICE_MS);
    now += 48 * HOUR_MS;
    await pass(NOTICE_MS);
    expect(turns.slice(1)).toEqual([fired]);
  });

  it('back holds up nothing that does not wait for it, and keeps the order of events', async () => {
    await sleepFor(1000);
    const operations = new ClientOperations(engine);
    await operations.raiseEvent('sleeper', 'before', undefined);
    now -= 24 * HOUR_MS;
    await operations.raiseEvent('sleeper', 'after', undefined);
    await pass(0);
    expect(
      turns
        .slice(1)
        .flat()
        .filter((kind) => kind === 'eventRaised'),
    ).toHaveLength(2);
    await start('other');
    await pass(0);
    expect(turns.at(-1)).toEqual(['workflowStarted', 'executionStarted']);
    const names = engine.store.history
      .events(engine.store.instances.byId('sleeper')?.run ?? 0)
      .map((bytes) => fromBinary(HistoryEventSchema, bytes))
      .flatMap(({ event }) => (event.case === 'eventRaised' ? [event.value.name] : []));
    expect(names).toEqual(['before', 'after']);
  });

  it('forward fires what came due in between, once, and is noticed by itself', async () => {
    await sleepFor(HOUR_MS);
    now += 2 * HOUR_MS;
    await pass(NOTICE_MS);
    expect(turns.slice(1)).toEqual([fired]);
    await pass(2 * HOUR_MS);
    expect(turns).toHaveLength(2);
  });
});

/** Time goes by without the clock that the engine reads. */
async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms);
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
}
