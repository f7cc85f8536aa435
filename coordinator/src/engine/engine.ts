import type { Interceptor } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { RunEngine } from '../outbox/run-engine.ts';
import type { KitActivities } from '../workflow-kit/contract.ts';
import { Payloads, type PayloadStore } from '../workflow-kit/payloads.ts';
import { registeredName, type WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { parseAddress } from './address.ts';
import { Breaker, engineAway } from './breaker.ts';
import { createDaprWorker } from './dapr-worker.ts';
import { defaultTiming, type EngineTiming } from './grpc-options.ts';
import { type LongHistory, watchHistories } from './history-watch.ts';
import { InstanceClient } from './instance-client.ts';
import { assertKnownSdk } from './sdk-generation.ts';
import { routeSdkLogs } from './sdk-logs.ts';
import type { Stall } from './stall-guard.ts';
import { Supervisor } from './supervisor.ts';

export interface EngineOptions {
  /** Of the gRPC port of a Dapr sidecar, ours or Dapr's own, in the forms of DAPR_GRPC_ENDPOINT: see `parseAddress`. */
  address: string;
  /** What the sidecar demands of every call; without one it is DAPR_API_TOKEN, if that is set. */
  apiToken?: string | undefined;
  /** Ways that every call takes on, such as that of a sidecar in this process (`Sidecar.inProcess`). */
  interceptors?: readonly Interceptor[];
  workflows: readonly WorkflowDefinition[];
  activities: KitActivities;
  /** Keeps large values out of the histories; without one they travel in them. */
  payloadStore?: PayloadStore;
  timing?: Partial<EngineTiming>;
  logger: Logger;
}

/** The workflow engine, as the coordinator sees it. */
export interface Engine extends RunEngine, AsyncDisposable {
  start(): Promise<void>;
  close(): Promise<void>;
  /** Called with every turn a run cannot make with the code this process has. */
  onStall(listener: (stall: Stall) => void): void;
  /** Called once for each run whose history has become long, again after a restart. */
  onLongHistory(listener: (history: LongHistory) => void): void;
}

/**
 * Connects to a Dapr sidecar: executes its workflows and activities, and controls instances.
 * @throws MeshError `VERSION_NOT_SUPPORTED` with another @dapr/dapr; TypeError for an address it cannot use.
 */
export function createEngine(options: EngineOptions): Engine {
  const { apiToken, interceptors = [], workflows, activities, logger } = options;
  assertKnownSdk();
  const payloads = new Payloads(options.payloadStore);
  routeSdkLogs(logger);
  const timing = { ...defaultTiming, ...options.timing };
  const sidecar = { address: parseAddress(options.address), apiToken, interceptors, timing };
  const stallListeners = new Set<(stall: Stall) => void>();
  const onStall = (stall: Stall): void => {
    logger.error({ runId: stall.instanceId, reason: stall.reason, detail: stall.message }, 'run stalled');
    for (const listener of stallListeners) listener(stall);
  };
  const historyListeners = new Set<(history: LongHistory) => void>();
  const onTurn = watchHistories((history) => {
    for (const listener of historyListeners) listener(history);
  });
  const supervisor = new Supervisor(
    () => createDaprWorker({ ...sidecar, workflows, activities, payloads, logger, onStall, onTurn }),
    timing.connectMs,
    logger,
  );
  const client = new InstanceClient(sidecar);
  const reconnectListeners = new Set<() => void>();
  const tellReconnect = (): void => {
    for (const listener of reconnectListeners) listener();
  };
  const breaker = new Breaker(tellReconnect);
  supervisor.onReconnect(() => {
    client.reconnect();
    breaker.reset();
    tellReconnect();
  });
  /** While the engine is away nothing is tried: a start without a worker would hang, and an event would be lost. */
  const whenReady = async <T>(request: () => Promise<T>): Promise<T> => {
    if (supervisor.connected) return breaker.run(request);
    throw engineAway();
  };
  const close = async (): Promise<void> => {
    await supervisor.close();
    client.close();
  };
  return {
    start: () => supervisor.start(),
    close,
    [Symbol.asyncDispose]: close,
    ready: () => supervisor.connected,
    onReconnect: (listener) => void reconnectListeners.add(listener),
    onStall: (listener) => void stallListeners.add(listener),
    onLongHistory: (listener) => void historyListeners.add(listener),
    startInstance: (instanceId, name, version, { input, ...marks }) =>
      whenReady(async () => {
        const carried = await payloads.pack(instanceId, 'input', input);
        await client.start(instanceId, registeredName({ name, version }), { ...marks, ...carried });
      }),
    raise: (instanceId, eventName, { payload, ...marks }) =>
      whenReady(async () => {
        const carried = await payloads.pack(instanceId, 'payload', payload);
        return client.raise(instanceId, eventName, { ...marks, ...carried });
      }),
    status: (instanceId) => client.status(instanceId),
    resume: (instanceId) => whenReady(() => client.resume(instanceId)),
    terminate: (instanceId) => whenReady(() => client.terminate(instanceId)),
    purge: (instanceId) => whenReady(() => client.purge(instanceId)),
  };
}
