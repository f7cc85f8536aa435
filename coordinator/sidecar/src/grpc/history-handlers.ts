import { create } from '@bufbuild/protobuf';
import type { ClientOperations } from '../engine/client-operations.ts';
import type { Engine } from '../engine/engine.ts';
import {
  GetInstanceHistoryResponseSchema,
  ListInstanceIDsResponseSchema,
  RerunWorkflowFromEventResponseSchema,
  type TaskHubSidecarService,
} from '../gen/durable_task_pb.ts';
import type { ServiceHandlers } from './service-adapter.ts';

type Handlers = ServiceHandlers<(typeof TaskHubSidecarService)['method']>;

/** As daprd, whose answer has no limit unless the caller sets one. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** What operators' tools ask for: which instances there are, what they did, and to do it again from some point. */
export function historyHandlers(
  engine: Engine,
  operations: ClientOperations,
): Pick<Handlers, 'listInstanceIDs' | 'getInstanceHistory' | 'rerunWorkflowFromEvent'> {
  return {
    listInstanceIDs: async ({ pageSize, continuationToken }) => {
      const list = () => operations.list(pageSize || NO_LIMIT, continuationToken);
      const { ids, ...rest } = await engine.store.database.read(list);
      return create(ListInstanceIDsResponseSchema, { instanceIds: ids, ...rest });
    },

    getInstanceHistory: async ({ instanceId }) =>
      create(GetInstanceHistoryResponseSchema, {
        events: await engine.store.database.read(() => operations.history(instanceId)),
      }),

    rerunWorkflowFromEvent: async (request, { signal }) => {
      const { sourceInstanceId: sourceId, newInstanceId: newId, newChildWorkflowInstanceId: newChildId } = request;
      // Unsigned on the wire, signed in a history.
      const eventId = request.eventId | 0;
      const input = request.overwriteInput ? { value: request.input } : undefined;
      const newInstanceId = await operations.rerun({ sourceId, eventId, newId, input, newChildId });
      await operations.waitForStart(newInstanceId, signal);
      return create(RerunWorkflowFromEventResponseSchema, { newInstanceId });
    },
  };
}
