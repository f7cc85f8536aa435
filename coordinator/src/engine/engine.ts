import { MeshError } from '@daca-mesh/protocol';
import type { Logger } from 'pino';
import type { RunEngine } from '../outbox/run-engine.ts';
import type { KitActivities } from '../workflow-kit/contract.ts';
import { registeredName, type WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { createDaprWorker } from './dapr-worker.ts';
import { InstanceClient } from './instance-client.ts';
import { routeSdkLogs } from './sdk-logs.ts';
import type { Stall } from './stall-guard.ts';
import { Supervisor } from './supervisor.ts';

export interface EngineOptions {
  /** `host:port` of a Dapr sidecar's gRPC port, ours or Dapr's own. */
  address: string;
  /** What the sidecar demands of every call; without one it is DAPR_API_TOKEN, if that is set. */
  apiToken?: string | undefined;
  workflows: readonly WorkflowDefinition[];
  activities: KitActivities;
  logger: Logger;
}

/** The workflow engine, as the coordinator sees it. */
export interface Engine extends RunEngine, AsyncDisposable {
  start(): Promise<void>;
  close(): Promise<void>;
  /** Called with every turn a run cannot make with the code this process has. */
  onStall(listener: (stall: Stall) => void): void;
}

/** Connects to a Dapr sidecar: executes its workflows and activities, and controls instances. */
export function createEngine({ address, apiToken, workflows, activities, logger }: EngineOptions): Engine {
  routeSdkLogs(logger);
  const sidecar = { ...parseAddress(address), apiToken };
  const stallListeners = new Set<(stall: Stall) => void>();
  const onStall = (stall: Stall): void => {
    logger.error({ runId: stall.instanceId, reason: stall.reason, detail: stall.message }, 'run stalled');
    for (const listener of stallListeners) listener(stall);
  };
  const supervisor = new Supervisor(
    () => createDaprWorker({ ...sidecar, workflows, activities, logger, onStall }),
    logger,
  );
  const client = new InstanceClient(sidecar);
  /** While the engine is away nothing is tried: a start without a worker would hang, and an event would be lost. */
  const whenReady = async <T>(request: () => Promise<T>): Promise<T> => {
    if (supervisor.connected) return request();
    throw new MeshError('UNAVAILABLE', 'the workflow engine is away', { retryable: true });
  };
  const close = async (): Promise<void> => {
    await Promise.all([supervisor.close(), client.close()]);
  };
  return {
    start: () => supervisor.start(),
    close,
    [Symbol.asyncDispose]: close,
    ready: () => supervisor.connected,
    onReconnect: (listener) => supervisor.onReconnect(listener),
    onStall: (listener) => void stallListeners.add(listener),
    startInstance: (instanceId, name, version, envelope) =>
      whenReady(() => client.start(instanceId, registeredName({ name, version }), envelope)),
    raise: (instanceId, eventName, event) => whenReady(() => client.raise(instanceId, eventName, event)),
    status: (instanceId) => client.status(instanceId),
    terminate: (instanceId) => whenReady(() => client.terminate(instanceId)),
    purge: (instanceId) => client.purge(instanceId),
  };
}

function parseAddress(address: string): { host: string; port: string } {
  const { protocol, hostname, port } = new URL(address.includes('://') ? address : `http://${address}`);
  if (port === '') throw new TypeError(`the address of the workflow engine needs a port: ${address}`);
  // The SDK takes the scheme of a host as the wish for TLS.
  return { host: protocol === 'https:' ? `https://${hostname}` : hostname, port };
}
