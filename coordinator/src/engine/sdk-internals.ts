/* oxlint-disable no-underscore-dangle -- the private fields of the SDK are named so */
import type { ReceivedEvent } from '../workflow-kit/orchestration.ts';
import type { WorkflowContext, WorkflowRuntime } from './sdk.ts';

/**
 * Everything we do to private fields of @dapr/dapr 3.18.0. Each is checked before it is used, so that another version of
 * the SDK fails loudly at start instead of losing work quietly.
 */

/** The SDK's `TaskHubGrpcWorker`. */
interface SdkWorker {
  _isRunning: boolean;
  _stopWorker: boolean;
  _responseStream: { destroyed: boolean } | null;
  _stub: { close(): void } | null;
  _maxConcurrentWorkItems: number;
  _maxQueueSize: number;
  _executeOrchestrator(request: unknown, channel: AnswerChannel): Promise<void>;
}

interface AnswerChannel {
  completeOrchestratorTask(answer: TurnAnswer, callback: (error: Error | null, value?: unknown) => void): void;
}

/** The protobuf message that answers a turn. */
export interface TurnAnswer {
  getInstanceid(): string;
  getActionsList(): TurnAction[];
  setActionsList(actions: TurnAction[]): void;
}

interface TurnAction {
  getCompleteorchestration():
    | { getFailuredetails(): { getErrortype(): string; getErrormessage(): string } | undefined }
    | undefined;
}

const workerFields = [
  '_isRunning',
  '_stopWorker',
  '_responseStream',
  '_stub',
  '_maxConcurrentWorkItems',
  '_maxQueueSize',
  '_executeOrchestrator',
];

/**
 * Lifts the limits of a worker that was not started yet. By default it executes 10 work items at a time, turns and
 * activities together, queues 100 and silently drops the rest: their runs hang for ever.
 */
export function liftLimits(runtime: WorkflowRuntime, maxConcurrentWorkItems: number): void {
  const worker = workerOf(runtime);
  worker._maxConcurrentWorkItems = maxConcurrentWorkItems;
  worker._maxQueueSize = Number.POSITIVE_INFINITY;
}

/** Shows every answer of a turn to `edit`, which may change it, before it goes to the engine. */
export function interceptTurnAnswers(runtime: WorkflowRuntime, edit: (answer: TurnAnswer) => void): void {
  const worker = workerOf(runtime);
  const execute = worker._executeOrchestrator.bind(worker);
  worker._executeOrchestrator = (request, channel) =>
    execute(request, {
      completeOrchestratorTask(answer, callback) {
        edit(answer);
        channel.completeOrchestratorTask(answer, callback);
      },
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

/** Ends a worker whatever state it is in: `stop()` refuses one that died, and leaves its channel open. */
export async function stopWorker(runtime: WorkflowRuntime): Promise<void> {
  const worker = workerOf(runtime);
  worker._stopWorker = true;
  if (worker._isRunning) await runtime.stop();
  else worker._stub?.close();
}

/** The events of an instance that arrived and that nobody waited for, removed where the name matches. */
export function takeUnawaitedEvents(context: WorkflowContext, matches: (name: string) => boolean): ReceivedEvent[] {
  const received = contextOf(context)._receivedEvents;
  const names = Object.keys(received).filter(matches);
  const taken = names.flatMap((name) => (received[name] ?? []).map((value) => ({ name, value })));
  for (const name of names) delete received[name];
  return taken;
}

/**
 * Has events carried over by a continue-as-new that was just asked for. One that arrives later in the same turn would go
 * to a waiter of the ended generation and be lost; without waiters it counts as unawaited, and is carried over too.
 */
export function carryOverEvents(context: WorkflowContext, events: readonly ReceivedEvent[]): void {
  const inner = contextOf(context);
  inner._pendingEvents = {};
  for (const { name, value } of events) {
    const key = name.toLowerCase();
    inner._receivedEvents[key] = [value, ...(inner._receivedEvents[key] ?? [])];
  }
}

/** The SDK's `RuntimeOrchestrationContext`. */
interface SdkContext {
  _pendingEvents: Record<string, unknown[]>;
  _receivedEvents: Record<string, unknown[]>;
}

function workerOf(runtime: WorkflowRuntime): SdkWorker {
  const worker: unknown = Reflect.get(runtime, 'worker');
  assertFields(worker, workerFields);
  // Its fields were just checked.
  return worker as SdkWorker;
}

function contextOf(context: WorkflowContext): SdkContext {
  const inner: unknown = Reflect.get(context, '_innerContext');
  assertFields(inner, ['_pendingEvents', '_receivedEvents']);
  // Its fields were just checked.
  return inner as SdkContext;
}

function assertFields(value: unknown, fields: readonly string[]): void {
  const missing = fields.filter((field) => typeof value !== 'object' || value === null || !(field in value));
  if (missing.length === 0) return;
  throw new Error(`this version of @dapr/dapr is not supported: no ${missing.join(', ')} (3.18.0 is expected)`);
}
