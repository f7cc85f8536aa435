import type { Interceptor } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import {
  type ActivityMessage,
  type ActivityName,
  activityNameOf,
  answerActivity,
} from '../workflow-kit/activity-message.ts';
import type { KitActivities } from '../workflow-kit/contract.ts';
import type { Payloads } from '../workflow-kit/payloads.ts';
import { withChildren } from '../workflow-kit/with-children.ts';
import { registeredName, type WorkflowDefinition } from '../workflow-kit/workflow.ts';
import type { EngineAddress } from './address.ts';
import { toDaprWorkflow } from './dapr-workflow.ts';
import { toGrpcOptions, type EngineTiming } from './grpc-options.ts';
import { repairHistory } from './history-repair.ts';
import { guardOversize } from './oversize-guard.ts';
import { WorkflowRuntime } from './sdk.ts';
import {
  abandonWorker,
  type ConnectionState,
  connectionState,
  drainWorker,
  interceptTurns,
  liftLimits,
  onWorkerFailure,
  type TurnRequest,
} from './sdk-worker.ts';
import { guardStalls, type Stall } from './stall-guard.ts';

export interface DaprWorkerOptions {
  address: EngineAddress;
  timing: EngineTiming;
  apiToken: string | undefined;
  interceptors: readonly Interceptor[];
  workflows: readonly WorkflowDefinition[];
  activities: KitActivities;
  payloads: Payloads;
  logger: Logger;
  onStall: (stall: Stall) => void;
  /** Sees every turn before it is made. */
  onTurn: (request: TurnRequest) => void;
}

/** How many turns and activities may be under way at a time; activities are short, they wait for nobody. */
const maxConcurrentWorkItems = 5000;

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
  openChild: true,
  childEnd: true,
  cancelChildren: true,
  handedUndos: true,
  putItems: true,
  nextItem: true,
  itemOutcomes: true,
  finish: true,
};

/** One connection of the SDK's worker to the engine. It is not used again after it was lost. */
export interface DaprWorker {
  start(): Promise<void>;
  state(): ConnectionState;
  /** Why it was lost, where that was an error. */
  failure(): unknown;
  /** Takes no more work, and resolves when what is under way has ended (at most 30 s). */
  drain(): Promise<void>;
  /** Ends it at once: the engine hands out again what is under way. */
  abandon(): void;
}

/** Makes a worker with all workflows and activities, not started yet. */
export function createDaprWorker(options: DaprWorkerOptions): DaprWorker {
  const { address, timing, apiToken, interceptors, logger } = options;
  const runtime = new WorkflowRuntime({
    daprHost: address.host,
    daprPort: address.port,
    grpcOptions: toGrpcOptions(timing, interceptors),
    ...(apiToken === undefined ? {} : { daprApiToken: apiToken }),
  });
  liftLimits(runtime, maxConcurrentWorkItems);
  interceptTurns(runtime, repairHistory);
  interceptTurns(runtime, options.onTurn);
  guardOversize(runtime);
  guardStalls(runtime, options.onStall);
  let failure: unknown;
  onWorkerFailure(runtime, (error) => (failure = error));
  for (const definition of withChildren(options.workflows)) {
    runtime.registerWorkflowWithName(registeredName(definition), toDaprWorkflow(definition, logger, options.payloads));
  }
  for (const name of Object.keys(activityNames)) {
    // The keys of activityNames.
    registerActivity(runtime, name as ActivityName, options);
  }
  return {
    start: () => runtime.start(),
    state: () => connectionState(runtime),
    failure: () => failure,
    drain: () => drainWorker(runtime),
    abandon: () => abandonWorker(runtime),
  };
}

function registerActivity(
  runtime: WorkflowRuntime,
  name: ActivityName,
  { activities, payloads, logger }: DaprWorkerOptions,
): void {
  // Inputs and outputs are objects: the SDK turns 0, '', false and null into undefined. And the activity never throws:
  // all that the SDK would keep of an error is its message.
  runtime.registerActivityWithName(activityNameOf(name), (_context, message: ActivityMessage) =>
    answerActivity(activities, name, message, {
      payloads,
      onError: (err) => logger.warn({ err, activity: name, runId: message.scope?.runId }, 'activity failed'),
    }),
  );
}
