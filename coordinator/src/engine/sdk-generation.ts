import { MeshError } from '@daca-mesh/protocol';
import { DaprWorkflowClient, RuntimeOrchestrationContext, sdkVersion, WorkflowRuntime } from './sdk.ts';

/** The objects of the SDK whose private fields this folder uses. */
export interface SdkParts {
  worker: unknown;
  context: unknown;
  client: unknown;
}

/** What the guards of this folder are written for: the engine inside @dapr/dapr 3.18.0. */
const expected: Record<keyof SdkParts, readonly string[]> = {
  worker: [
    '_isRunning',
    '_stopWorker',
    '_responseStream',
    '_stub',
    '_activeWorkItems',
    '_workItemQueue',
    '_maxConcurrentWorkItems',
    '_maxQueueSize',
    'internalRunWorker',
    '_executeOrchestrator',
    '_executeActivity',
  ],
  context: ['_pendingEvents', '_receivedEvents', 'getActions'],
  client: ['_stub'],
};

/**
 * Throws unless the SDK is the generation this folder knows. Asked once, before anything is registered: with another
 * engine the guards would have no effect, and work would be lost quietly.
 */
export function assertKnownSdk(parts: SdkParts = installedParts(), version: string = sdkVersion): void {
  const missing = (Object.keys(expected) as (keyof SdkParts)[]).flatMap((part) =>
    expected[part].filter((field) => !has(parts[part], field)).map((field) => `${part}.${field}`),
  );
  if (missing.length === 0) return;
  throw new MeshError(
    'VERSION_NOT_SUPPORTED',
    `@dapr/dapr 3.18.0 is expected, and with it the workflow engine of 3.18; found @dapr/dapr ${version} with ` +
      `${describeEngine(parts.worker)} (without ${missing.join(', ')}). Install @dapr/dapr 3.18.0, or port ` +
      'coordinator/src/engine to the new engine and run its tests',
  );
}

/** Which generation of the workflow engine a worker belongs to, as far as it is known. */
function describeEngine(worker: unknown): string {
  if (has(worker, '_maxQueueSize')) return 'a changed engine of 3.18';
  // Dapr 1.19: it runs 10 items at a time, which can be lifted, and drops what exceeds a queue of 100, which cannot.
  if (has(worker, '_maxConcurrentWorkItems')) return 'the engine of Dapr 1.19, whose queue limit cannot be lifted';
  if (has(worker, '_maxConcurrentWorkflowWorkItems')) return 'a later engine, which takes its limits as options';
  return 'an unknown engine';
}

/** None of these connects to anything. */
function installedParts(): SdkParts {
  const nowhere = { daprHost: '127.0.0.1', daprPort: '1' };
  const client: unknown = Reflect.get(new DaprWorkflowClient(nowhere), '_innerClient');
  return {
    worker: Reflect.get(new WorkflowRuntime(nowhere), 'worker'),
    context: new RuntimeOrchestrationContext('none'),
    client,
  };
}

const has = (value: unknown, field: string): boolean => typeof value === 'object' && value !== null && field in value;
