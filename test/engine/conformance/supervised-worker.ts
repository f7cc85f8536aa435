import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowRuntime } from '@dapr/dapr';
import type { Engine } from './back-ends.ts';

/** The SDK's worker, started again whenever it died: its first stream error ends it for good. */
export async function startSupervisedWorker(
  engine: Engine,
  register: (runtime: WorkflowRuntime) => void,
): Promise<AsyncDisposable> {
  const runtime = new WorkflowRuntime({ daprHost: engine.host, daprPort: String(engine.port) });
  register(runtime);
  await runtime.start();
  const stopping = new AbortController();
  const supervision = supervise(runtime, stopping.signal);
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await supervision;
      if (isRunning(runtime)) await runtime.stop();
    },
  };
}

async function supervise(runtime: WorkflowRuntime, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (!isRunning(runtime)) await runtime.start();
    await sleep(200);
  }
}

/** It says so nowhere else. */
function isRunning(runtime: WorkflowRuntime): boolean {
  const worker: unknown = Reflect.get(runtime, 'worker');
  const running: unknown =
    typeof worker === 'object' && worker !== null ? Reflect.get(worker, '_isRunning') : undefined;
  if (typeof running !== 'boolean') throw new Error('this version of @dapr/dapr has another worker');
  return running;
}
