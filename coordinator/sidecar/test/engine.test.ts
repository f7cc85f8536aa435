import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { create, fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it, vi } from 'vitest';
import { ClientOperations } from '../src/engine/client-operations.ts';
import { Engine } from '../src/engine/engine.ts';
import {
  ActivityResponseSchema,
  HistoryEventSchema,
  WorkflowResponseSchema,
  WorkflowStatus,
  WorkItemSchema,
} from '../src/gen/durable_task_pb.ts';
import { silentLogger } from '../src/logger.ts';
import { prepareSchema } from '../src/store/schema.ts';
import { SqliteDatabase } from '../src/store/sqlite-database.ts';
import { createStore } from '../src/store/store.ts';
import { temporaryFolder } from './world.ts';

const INSTANCES = 20;
const STEPS = 5;
const limits = { maxUnacked: 7, maxUnackedActivities: 5 };
const never = new AbortController().signal;

/** Runs a chain of STEPS activities, and calls `between` before every answer. */
function connectChainWorker(engine: Engine, between: () => Promise<void>): void {
  const send = async (bytes: Uint8Array): Promise<void> => {
    const { request, completionToken } = fromBinary(WorkItemSchema, bytes);
    await setImmediate();
    await between();
    if (request.case === 'activityRequest') {
      const { taskId, workflowInstance } = request.value;
      const instanceId = workflowInstance?.instanceId ?? '';
      await engine.completeActivity(create(ActivityResponseSchema, { instanceId, taskId, result: '1' }), 1);
    } else if (request.case === 'workflowRequest') {
      const { instanceId, pastEvents, newEvents } = request.value;
      const events = [...pastEvents, ...newEvents].map((event) => fromBinary(HistoryEventSchema, event).event.case);
      const done = events.filter((kind) => kind === 'taskCompleted').length;
      const wanted = events.includes('eventRaised');
      const action =
        done < STEPS
          ? { case: 'scheduleTask' as const, value: { name: 'work' } }
          : {
              case: 'completeWorkflow' as const,
              value: { workflowStatus: WorkflowStatus.COMPLETED, result: String(wanted) },
            };
      const started = events.filter((kind) => kind === 'taskScheduled').length;
      const actions = done < STEPS && started > done ? [] : [{ id: done + 1, action }];
      await engine.completeTurn(create(WorkflowResponseSchema, { instanceId, actions, completionToken }), 1);
    }
  };
  engine.connectWorker(
    {
      send: (bytes) => {
        send(bytes).catch((error: unknown) => {
          throw error;
        });
      },
      end: () => {},
    },
    limits,
  );
}

async function withEngine(test: (engine: Engine, operations: ClientOperations) => Promise<void>): Promise<void> {
  using folder = temporaryFolder();
  const database = new SqliteDatabase(join(folder.path, 'engine.db'), 'normal', () => {});
  prepareSchema(database);
  const store = createStore(database);
  const engine = new Engine({ store, logger: silentLogger, now: Date.now, maxMessageBytes: 1000 });
  try {
    await test(engine, new ClientOperations(engine));
  } finally {
    engine.stop();
    await database.close();
  }
}

describe('Engine', () => {
  it('finishes everything though its queues are wiped before every single answer', () =>
    withEngine(async (engine, operations) => {
      const ids = Array.from({ length: INSTANCES }, (_, n) => `run-${n}`);
      const started = ids.map((id) =>
        operations.start(
          { id, executionId: undefined, name: 'chain', version: undefined, input: undefined, scheduledAt: undefined },
          never,
        ),
      );
      await vi.waitFor(() => expect(engine.store.instances.idsWithInbox()).toHaveLength(INSTANCES));
      await Promise.all(ids.map((id) => operations.raiseEvent(id, 'wanted', '1')));
      await engine.recover();
      const wipes = vi.fn<() => Promise<void>>(() => engine.recover());
      connectChainWorker(engine, wipes);
      await Promise.all(started);
      await Promise.all(ids.map((id) => operations.waitForCompletion(id, never)));
      expect(wipes.mock.calls.length).toBeGreaterThanOrEqual(INSTANCES * STEPS * 2);
      for (const id of ids) {
        const instance = operations.get(id);
        expect(instance?.status).toBe(WorkflowStatus.COMPLETED);
        expect(engine.store.instances.payloads(instance?.run ?? 0).output).toBe('true');
      }
      expect(engine.store.tasks.all()).toEqual([]);
    }));

  it('leaves no row of a purged instance behind', () =>
    withEngine(async (engine, operations) => {
      const tables = ['instances', 'payloads', 'history', 'inbox', 'tasks', 'timers'];
      const rows = () =>
        tables.map((table) => engine.store.database.get<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)?.n);
      connectChainWorker(engine, async () => {});
      const id = await operations.start(
        { id: '', executionId: undefined, name: 'chain', version: undefined, input: 'x', scheduledAt: undefined },
        never,
      );
      await operations.waitForCompletion(id, never);
      expect(rows()[2]).toBeGreaterThan(STEPS);
      await operations.purge(id, { recursive: false, force: false });
      expect(rows()).toEqual(tables.map(() => 0));
    }));
});
