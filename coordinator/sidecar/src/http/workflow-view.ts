import { fromBinary } from '@bufbuild/protobuf';
import { TaskFailureDetailsSchema, WorkflowStatus } from '../gen/durable_task_pb.ts';
import type { Instance, Payloads } from '../store/instances.ts';

/** An instance as daprd's HTTP API shows it. */
export interface WorkflowView {
  readonly instanceID: string;
  readonly workflowName: string;
  /** RFC 3339, as `lastUpdatedAt`. */
  readonly createdAt: string;
  readonly lastUpdatedAt: string;
  readonly runtimeStatus: string;
  /** Left out when there are none, as is each that has no value. */
  readonly properties?: Readonly<Record<string, string>>;
}

export function toWorkflowView(instance: Instance, payloads: Payloads | undefined): WorkflowView {
  const properties = toProperties(instance, payloads);
  return {
    instanceID: instance.id,
    workflowName: instance.name,
    createdAt: new Date(instance.createdAt).toISOString(),
    lastUpdatedAt: new Date(instance.updatedAt).toISOString(),
    runtimeStatus: toStatusName(instance.status),
    ...(Object.keys(properties).length > 0 && { properties }),
  };
}

function toProperties(instance: Instance, payloads: Payloads | undefined): Record<string, string> {
  const properties: Record<string, string> = {};
  if (instance.customStatus !== '') properties['dapr.workflow.custom_status'] = instance.customStatus;
  if (payloads === undefined) return properties;
  if (payloads.failure !== null) {
    const failure = fromBinary(TaskFailureDetailsSchema, payloads.failure);
    properties['dapr.workflow.failure.error_message'] = failure.errorMessage;
    properties['dapr.workflow.failure.error_type'] = failure.errorType;
    if (failure.stackTrace !== undefined) properties['dapr.workflow.failure.stack_trace'] = failure.stackTrace;
  }
  if (payloads.input !== null) properties['dapr.workflow.input'] = payloads.input;
  if (payloads.output !== null) properties['dapr.workflow.output'] = payloads.output;
  return properties;
}

const statusNames = new Map<WorkflowStatus, string>(
  Object.entries(WorkflowStatus).map(([name, status]) => [status, name]),
);
// daprd 1.18 has no name for it here.
statusNames.delete(WorkflowStatus.STALLED);

function toStatusName(status: WorkflowStatus): string {
  return statusNames.get(status) ?? 'UNKNOWN';
}
