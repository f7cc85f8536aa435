import type { Logger } from 'pino';
import {
  type ActivityMessage,
  type ActivityName,
  activityNameOf,
  answerActivity,
} from '../workflow-kit/activity-message.ts';
import type { KitActivities } from '../workflow-kit/contract.ts';
import { registeredName, type WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { toDaprWorkflow } from './dapr-workflow.ts';
import { WorkflowRuntime } from './sdk.ts';
import { type ConnectionState, connectionState, liftLimits, stopWorker } from './sdk-internals.ts';
import { guardStalls, type Stall } from './stall-guard.ts';

export interface DaprWorkerOptions {
  host: string;
  port: string;
  apiToken: string | undefined;
  workflows: readonly WorkflowDefinition[];
  activities: KitActivities;
  logger: Logger;
  onStall: (stall: Stall) => void;
}

/** How many turns and activities may be under way at a time; activities are short, they wait for nobody. */
const maxConcurrentWorkItems = 5000;

/** Introspection that nobody reads, at a price per call. */
const grpcOptions = { 'grpc.enable_channelz': 0 };

/** Every activity, so that one that is missing is an error of the types. */
const activityNames: Record<ActivityName, true> = {
  claim: true,
  send: true,
  answerCall: true,
  abandon: true,
  ask: true,
  withdraw: true,
  wait: true,
  propose: true,
  progress: true,
  note: true,
  local: true,
  finish: true,
};

/** One connection of the SDK's worker to the engine. It is not used again after it was lost. */
export interface DaprWorker {
  start(): Promise<void>;
  state(): ConnectionState;
  /** Takes no more work, and resolves when what is under way has ended (at most 30 s). */
  stop(): Promise<void>;
}

/** Makes a worker with all workflows and activities, not started yet. */
export function createDaprWorker(options: DaprWorkerOptions): DaprWorker {
  const { host, port, apiToken, logger } = options;
  const runtime = new WorkflowRuntime({
    daprHost: host,
    daprPort: port,
    grpcOptions,
    ...(apiToken === undefined ? {} : { daprApiToken: apiToken }),
  });
  liftLimits(runtime, maxConcurrentWorkItems);
  guardStalls(runtime, options.onStall);
  for (const definition of options.workflows) {
    runtime.registerWorkflowWithName(registeredName(definition), toDaprWorkflow(definition, logger));
  }
  for (const name of Object.keys(activityNames)) {
    // The keys of activityNames.
    registerActivity(runtime, name as ActivityName, options);
  }
  return {
    start: () => runtime.start(),
    state: () => connectionState(runtime),
    stop: () => stopWorker(runtime),
  };
}

function registerActivity(
  runtime: WorkflowRuntime,
  name: ActivityName,
  { activities, logger }: DaprWorkerOptions,
): void {
  // Inputs and outputs are objects: the SDK turns 0, '', false and null into undefined. And the activity never throws:
  // all that the SDK would keep of an error is its message.
  runtime.registerActivityWithName(activityNameOf(name), (_context, message: ActivityMessage) =>
    answerActivity(activities, name, message, (err) =>
      logger.warn({ err, activity: name, runId: message.scope?.runId }, 'activity failed'),
    ),
  );
}
