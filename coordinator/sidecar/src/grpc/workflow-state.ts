import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { WorkflowStateSchema, type WorkflowState } from '../gen/durable_task_pb.ts';
import type { Instance, Payloads } from '../store/instances.ts';

/** An instance as clients see it. Values of the workflow's own are only there if they were asked for. */
export function toWorkflowState(instance: Instance, payloads: Payloads | undefined): WorkflowState {
  return create(WorkflowStateSchema, {
    instanceId: instance.id,
    name: instance.name,
    version: instance.version ?? undefined,
    workflowStatus: instance.status,
    scheduledStartTimestamp: toTimestamp(instance.scheduledAt),
    createdTimestamp: toTimestamp(instance.createdAt),
    lastUpdatedTimestamp: toTimestamp(instance.updatedAt),
    completedTimestamp: toTimestamp(instance.completedAt),
    executionId: instance.executionId,
    parentInstanceId: instance.parentId ?? undefined,
    ...(payloads !== undefined && {
      input: payloads.input ?? undefined,
      output: payloads.output ?? undefined,
      // As daprd: one that is empty is none.
      customStatus: instance.customStatus || undefined,
      failureDetails: payloads.failure ?? undefined,
    }),
  });
}

function toTimestamp(ms: number | null): ReturnType<typeof timestampFromMs> | undefined {
  return ms === null ? undefined : timestampFromMs(ms);
}
