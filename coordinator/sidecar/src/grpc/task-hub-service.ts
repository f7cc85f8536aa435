import { create } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { ClientOperations } from '../engine/client-operations.ts';
import type { Engine } from '../engine/engine.ts';
import { toMs } from '../engine/history-events.ts';
import {
  CompleteTaskResponseSchema,
  CreateInstanceResponseSchema,
  GetInstanceResponseSchema,
  PurgeInstancesResponseSchema,
  RaiseEventResponseSchema,
  ResumeResponseSchema,
  SuspendResponseSchema,
  TerminateResponseSchema,
  type GetInstanceRequest,
  type GetInstanceResponse,
  type GetWorkItemsRequest,
  type PurgeInstancesRequest,
  type TaskHubSidecarService,
  type WorkflowResponse,
} from '../gen/durable_task_pb.ts';
import type { WorkerLimits } from '../engine/worker.ts';
import { historyHandlers } from './history-handlers.ts';
import { RpcError, toRpcError } from './rpc-error.ts';
import type { CallContext, ServiceHandlers } from './service-adapter.ts';
import { toWorkflowState } from './workflow-state.ts';

type Handlers = ServiceHandlers<(typeof TaskHubSidecarService)['method']>;

/** The service that SDKs speak, on top of the engine. */
export function createTaskHubService(engine: Engine, maxUnackedPerStream: number): Handlers {
  const operations = new ClientOperations(engine);

  const describe = (request: GetInstanceRequest): Promise<GetInstanceResponse> =>
    engine.store.database.read(() => {
      const instance = operations.get(request.instanceId);
      if (instance === undefined) return create(GetInstanceResponseSchema, { exists: false });
      const payloads = request.getInputsAndOutputs ? engine.store.instances.payloads(instance.run) : undefined;
      return create(GetInstanceResponseSchema, { exists: true, workflowState: toWorkflowState(instance, payloads) });
    });
  const completeTurn = async (request: WorkflowResponse, { sizeBytes }: CallContext) => {
    await engine.completeTurn(request, sizeBytes);
    return create(CompleteTaskResponseSchema);
  };
  const checkSize = ({ sizeBytes }: CallContext): void => {
    if (sizeBytes <= engine.maxMessageBytes) return;
    const limits = `${sizeBytes} vs. ${engine.maxMessageBytes}`;
    throw new RpcError(status.RESOURCE_EXHAUSTED, `grpc: received message larger than max (${limits})`);
  };

  return {
    hello: async () => create(EmptySchema),

    startInstance: async (request, context) => {
      checkSize(context);
      const { executionId, name, version, input, scheduledStartTimestamp } = request;
      const scheduledAt = scheduledStartTimestamp && toMs(scheduledStartTimestamp);
      const instanceId = await inWordsOf('failed to create workflow instance: ', () =>
        operations.start({ id: request.instanceId, executionId, name, version, input, scheduledAt }, context.signal),
      );
      return create(CreateInstanceResponseSchema, { instanceId });
    },

    getInstance: async (request) => describe(request),

    waitForInstanceStart: async (request, { signal }) => {
      await operations.waitForStart(request.instanceId, signal);
      return describe(request);
    },

    waitForInstanceCompletion: async (request, { signal }) => {
      await operations.waitForCompletion(request.instanceId, signal);
      return describe(request);
    },

    raiseEvent: async (request, context) => {
      checkSize(context);
      await operations.raiseEvent(request.instanceId, request.name, request.input);
      return create(RaiseEventResponseSchema);
    },

    terminateInstance: async (request, context) => {
      checkSize(context);
      await inWordsOf('failed to submit termination request: ', () =>
        operations.terminate(request.instanceId, request.output, request.recursive),
      );
      return create(TerminateResponseSchema);
    },

    suspendInstance: async (request, { signal }) => {
      await operations.suspend(request.instanceId, request.reason, signal);
      return create(SuspendResponseSchema);
    },

    resumeInstance: async (request, { signal }) => {
      await operations.resume(request.instanceId, request.reason, signal);
      return create(ResumeResponseSchema);
    },

    purgeInstances: async (request) => {
      const deletedInstanceCount = await inWordsOf('failed to purge workflow state: ', () =>
        purge(operations, request),
      );
      return create(PurgeInstancesResponseSchema, { deletedInstanceCount, isComplete: true });
    },

    getWorkItems: (request, stream, { signal }) => {
      const disconnect = engine.connectWorker(stream, toLimits(request, maxUnackedPerStream));
      signal.addEventListener('abort', disconnect);
    },

    completeActivityTask: async (request, { sizeBytes }) => {
      await engine.completeActivity(request, sizeBytes);
      return create(CompleteTaskResponseSchema);
    },

    completeWorkflowTask: completeTurn,
    completeOrchestratorTask: completeTurn,

    ...historyHandlers(engine, operations),
  };
}

/** A worker that states its own limits gets them; one that says nothing (SDK 3.18) gets what it is known to survive. */
function toLimits(request: GetWorkItemsRequest, maxUnacked: number): WorkerLimits {
  const { maxConcurrentWorkflowWorkItems: turns, maxConcurrentActivityWorkItems: activities } = request;
  if (turns > 0 && activities > 0) return { maxUnacked: turns + activities, maxUnackedActivities: activities };
  return { maxUnacked, maxUnackedActivities: Math.max(1, maxUnacked - Math.ceil(maxUnacked / 10)) };
}

async function purge(
  operations: ClientOperations,
  { request, recursive, force }: PurgeInstancesRequest,
): Promise<number> {
  const options = { recursive, force: force ?? false };
  if (request.case !== 'purgeInstanceFilter') return operations.purge(request.value ?? '', options);
  const { createdTimeFrom, createdTimeTo, runtimeStatus } = request.value;
  const from = createdTimeFrom === undefined ? 0 : toMs(createdTimeFrom);
  const to = createdTimeTo === undefined ? Number.MAX_SAFE_INTEGER : toMs(createdTimeTo);
  return operations.purgeMatching({ from, to, statuses: new Set(runtimeStatus) }, options);
}

async function inWordsOf<T>(prefix: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw toRpcError(error, prefix);
  }
}
