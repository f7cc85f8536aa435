/* oxlint-disable no-underscore-dangle -- the private fields of the SDK are named so */
import { setTimeout as sleep } from 'node:timers/promises';
import type { messages, WorkflowRuntime } from './sdk.ts';

/**
 * What we do to the private fields of the SDK's `TaskHubGrpcWorker`. `sdk-generation.ts` has checked that they exist.
 */

export type TurnRequest = InstanceType<typeof messages.OrchestratorRequest>;
export type TurnAnswer = InstanceType<typeof messages.OrchestratorResponse>;
export type ActivityAnswer = InstanceType<typeof messages.ActivityResponse>;

type Reply = (error: Error | null, value?: unknown) => void;

/** The calls by which a worker answers. */
interface AnswerChannel {
  completeOrchestratorTask(answer: TurnAnswer, reply: Reply): void;
  completeActivityTask(answer: ActivityAnswer, reply: Reply): void;
}

interface SdkWorker {
  _isRunning: boolean;
  _stopWorker: boolean;
  _responseStream: { destroyed: boolean; cancel(): void; destroy(): void } | null;
  _stub: { close(): void } | null;
  _activeWorkItems: number;
  _workItemQueue: unknown[];
  _maxConcurrentWorkItems: number;
  _maxQueueSize: number;
  internalRunWorker(client: unknown): Promise<void>;
  _executeOrchestrator(request: TurnRequest, channel: Pick<AnswerChannel, 'completeOrchestratorTask'>): Promise<void>;
  _executeActivity(request: unknown, channel: Pick<AnswerChannel, 'completeActivityTask'>): Promise<void>;
}

/** How long work that is under way may take to end when the process stops. */
const drainMs = 30_000;

/**
 * Lifts the limits of a worker that was not started yet. By default it executes 10 work items at a time, turns and
 * activities together, queues 100 and silently drops the rest: their runs hang for ever.
 */
export function liftLimits(runtime: WorkflowRuntime, maxConcurrentWorkItems: number): void {
  const worker = workerOf(runtime);
  worker._maxConcurrentWorkItems = maxConcurrentWorkItems;
  worker._maxQueueSize = Number.POSITIVE_INFINITY;
}

/** Shows every turn to `edit` before the SDK sees it. */
export function interceptTurns(runtime: WorkflowRuntime, edit: (request: TurnRequest) => void): void {
  const worker = workerOf(runtime);
  const execute = worker._executeOrchestrator.bind(worker);
  worker._executeOrchestrator = (request, channel) => {
    edit(request);
    return execute(request, channel);
  };
}

type AnswerTo<Name extends keyof AnswerChannel> = AnswerChannel[Name];

/** Has the answers of turns go out by a channel of our own, made of the SDK's. */
export function interceptTurnAnswers(
  runtime: WorkflowRuntime,
  wrap: (send: AnswerTo<'completeOrchestratorTask'>, request: TurnRequest) => AnswerTo<'completeOrchestratorTask'>,
): void {
  const worker = workerOf(runtime);
  const execute = worker._executeOrchestrator.bind(worker);
  worker._executeOrchestrator = (request, channel) => {
    const send = channel.completeOrchestratorTask.bind(channel);
    return execute(request, { completeOrchestratorTask: wrap(send, request) });
  };
}

/** The same for the answers of activities. */
export function interceptActivityAnswers(
  runtime: WorkflowRuntime,
  wrap: (send: AnswerTo<'completeActivityTask'>) => AnswerTo<'completeActivityTask'>,
): void {
  const worker = workerOf(runtime);
  const execute = worker._executeActivity.bind(worker);
  worker._executeActivity = (request, channel) =>
    execute(request, { completeActivityTask: wrap(channel.completeActivityTask.bind(channel)) });
}

/** Tells why a worker died. The SDK only logs it. */
export function onWorkerFailure(runtime: WorkflowRuntime, listener: (error: unknown) => void): void {
  const worker = workerOf(runtime);
  const run = worker.internalRunWorker.bind(worker);
  worker.internalRunWorker = (client) =>
    run(client).catch((error: unknown) => {
      listener(error);
      throw error;
    });
}

/** connecting: not yet known · connected: gets work · lost: will not come back by itself, or not soon. */
export type ConnectionState = 'connecting' | 'connected' | 'lost';

/** The first stream error ends the SDK's worker for good; after a clean end it tries again, up to 45 s later. */
export function connectionState(runtime: WorkflowRuntime): ConnectionState {
  const worker = workerOf(runtime);
  if (!worker._isRunning) return 'lost';
  if (worker._responseStream === null) return 'connecting';
  return worker._responseStream.destroyed ? 'lost' : 'connected';
}

/**
 * Ends a worker that was lost, with its connection: what it still has under way is handed out again by the engine, and
 * an answer of before could be taken for another. The SDK's own `stop()` refuses a worker that died.
 */
export function abandonWorker(runtime: WorkflowRuntime): void {
  const worker = workerOf(runtime);
  worker._stopWorker = true;
  worker._workItemQueue.length = 0;
  worker._responseStream?.cancel();
  worker._responseStream?.destroy();
  worker._stub?.close();
}

/**
 * Begins nothing more, and resolves when what is under way was answered. Until then the stream stays open: the SDK's own
 * `stop()` ends it first, upon which the engine takes everything for undone and ignores the answers.
 */
export async function drainWorker(runtime: WorkflowRuntime): Promise<void> {
  const worker = workerOf(runtime);
  worker._maxConcurrentWorkItems = 0;
  for (const end = Date.now() + drainMs; worker._activeWorkItems > 0 && Date.now() < end;) await sleep(20);
  abandonWorker(runtime);
}

function workerOf(runtime: WorkflowRuntime): SdkWorker {
  // Its fields were checked at the start.
  return Reflect.get(runtime, 'worker') as SdkWorker;
}
