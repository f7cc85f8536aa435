import manifest from '@dapr/dapr/package.json' with { type: 'json' };
import consoleLoggerModule from '@dapr/dapr/logger/ConsoleLoggerService.js';
import clientModule from '@dapr/dapr/workflow/client/DaprWorkflowClient.js';
import protocolModule from '@dapr/dapr/workflow/internal/durabletask/proto/orchestrator_service_pb.js';
import protocolHelper from '@dapr/dapr/workflow/internal/durabletask/utils/pb-helper.util.js';
import innerContextModule from '@dapr/dapr/workflow/internal/durabletask/worker/runtime-orchestration-context.js';
import contextModule from '@dapr/dapr/workflow/runtime/WorkflowContext.js';
import runtimeModule from '@dapr/dapr/workflow/runtime/WorkflowRuntime.js';

/**
 * The one door to @dapr/dapr. Deep imports: the root loads 576 modules in 0.8 s, these 117 in 0.2 s; the package is
 * CommonJS without an exports map, hence `.default`, and pinned exactly, since its layout is nobody's promise.
 */
export const WorkflowRuntime = defaultOf(runtimeModule);
export type WorkflowRuntime = InstanceType<typeof WorkflowRuntime>;
export const DaprWorkflowClient = defaultOf(clientModule);
export type DaprWorkflowClient = InstanceType<typeof DaprWorkflowClient>;
export const WorkflowContext = defaultOf(contextModule);
export type WorkflowContext = InstanceType<typeof WorkflowContext>;
export const { ConsoleLoggerService } = consoleLoggerModule;
export type Task = ReturnType<WorkflowContext['createTimer']>;

/** What the wrappers above hide, for the files `sdk-*.ts` of this folder. */
export const { RuntimeOrchestrationContext } = innerContextModule;
/** The protobuf messages, and the functions that make them. */
export const messages = protocolModule;
export const newMessage = protocolHelper;
export const sdkVersion = manifest.version;

/** Node gives the whole CommonJS module; vitest has already unwrapped it. */
function defaultOf<T>(module: { default: T }): T {
  return 'default' in module ? module.default : module;
}
