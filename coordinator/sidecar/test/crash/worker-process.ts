import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@grpc/grpc-js';
import clientModule from '@dapr/dapr/workflow/client/DaprWorkflowClient.js';
import runtimeModule from '@dapr/dapr/workflow/runtime/WorkflowRuntime.js';
import { registerWorkflows, runWorkload } from './workload.ts';

/**
 * Worker and client, which outlive the engine: `worker-process.ts <folder>`. A line on stdin is `down` when the engine is
 * gone, or the port of one that has come up. As SDK 3.18 names only the instance when it answers, the answer of a worker that
 * outlived its engine could be taken for that of the next; so a worker is given up with its engine.
 */
const [folder = '.'] = process.argv.slice(2);
const output = process.stdout;
for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) console[level] = () => {};

let client: InstanceType<typeof clientModule.default> | undefined;
let giveUp = (): void => {};

async function connect(port: string): Promise<void> {
  // The connections of all clients share a pause after a failure; this worker gives up if its first attempt meets one.
  const grpcOptions = { 'grpc.use_local_subchannel_pool': 1 };
  const address = { daprHost: '127.0.0.1', daprPort: port, grpcOptions };
  const runtime = new runtimeModule.default(address);
  let isOver = false;
  registerWorkflows(runtime, folder, () => isOver);
  client = new clientModule.default(address);
  giveUp = () => {
    isOver = true;
    client = undefined;
    closeConnection(runtime);
  };
  await runtime.start();
}

/** What stop() does only after all queued work was done. */
function closeConnection(runtime: object): void {
  const worker: unknown = Reflect.get(runtime, 'worker');
  const stub: unknown = typeof worker === 'object' && worker !== null ? Reflect.get(worker, '_stub') : undefined;
  if (stub instanceof Client) stub.close();
  else throw new TypeError('this @dapr/dapr has no connection to close');
}

createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'down') {
    giveUp();
    output.write('down\n');
    return;
  }
  connect(line).catch((error: unknown) => {
    throw error;
  });
});

const outcome = await runWorkload(folder, {
  async attempt(operation) {
    for (;;) {
      const attempted = client;
      try {
        if (attempted !== undefined) return await operation(attempted);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
      }
      await sleep(10);
    }
  },
});
output.write(`${JSON.stringify(outcome)}\n`);
process.exit(0);

/** UNAVAILABLE or CANCELLED: the engine is gone. */
function isUnavailable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 14 || error.code === 1);
}
