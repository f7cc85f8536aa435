import { DaprWorkflowClient, type WorkflowContext, WorkflowRuntime } from '@dapr/dapr';

type Steps<T = unknown> = AsyncGenerator<unknown, unknown, T>;

/** The workflows that are timed, on the unmodified SDK. */
export interface Program extends AsyncDisposable {
  /** Three activities in a row. */
  chain(): Promise<void>;
  /** That many activities side by side. */
  fanOut(width: number): Promise<void>;
  /** Starts a run that waits for an event, and returns its id as soon as it waits. */
  park(): Promise<string>;
  /** Raises the event and waits until the run has completed. */
  resume(id: string): Promise<void>;
}

const completedWithinSeconds = 120;

/** Connects worker and client to the engine at this address. */
export async function startProgram(address: string): Promise<Program> {
  const [daprHost, daprPort] = address.split(':');
  if (daprHost === undefined || daprPort === undefined) throw new TypeError(`${address} is no host:port`);
  // As the coordinator connects: without introspection that nobody reads, at a price per call.
  const options = { daprHost, daprPort, grpcOptions: { 'grpc.enable_channelz': 0 } };
  const runtime = new WorkflowRuntime(options);
  liftLimits(runtime);
  runtime.registerActivityWithName('increment', (_context, value: number) => value + 1);
  runtime.registerWorkflowWithName('chain', chain);
  runtime.registerWorkflowWithName('fan-out', fanOut);
  runtime.registerWorkflowWithName('wait', async function* (context: WorkflowContext): Steps {
    return yield context.waitForExternalEvent('go');
  });
  await runtime.start();
  const client = new DaprWorkflowClient(options);

  const complete = async (id: string, expected: string): Promise<void> => {
    const state = await client.waitForWorkflowCompletion(id, true, completedWithinSeconds);
    if (state?.serializedOutput !== expected) throw new Error(`${id} ended with ${state?.serializedOutput}`);
  };
  return {
    chain: async () => complete(await client.scheduleNewWorkflow('chain', 1), '4'),
    fanOut: async (width) => complete(await client.scheduleNewWorkflow('fan-out', width), String(width * 2)),
    park: async () => {
      // The start of a run returns when its first turn was made.
      return client.scheduleNewWorkflow('wait', {});
    },
    resume: async (id) => {
      await client.raiseEvent(id, 'go', { n: 1 });
      await complete(id, '{"n":1}');
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([runtime.stop(), client.stop()]);
    },
  };
}

/** Ten work items at a time and a queue of a hundred are the SDK's limits, which it has no options for. */
function liftLimits(runtime: WorkflowRuntime): void {
  const worker: unknown = Reflect.get(runtime, 'worker');
  if (typeof worker !== 'object' || worker === null) throw new Error('this @dapr/dapr has no worker to tune');
  Object.assign(worker, { _maxConcurrentWorkItems: 5_000, _maxQueueSize: Number.POSITIVE_INFINITY });
}

async function* chain(context: WorkflowContext, value: number): Steps<number> {
  let current = value;
  for (let step = 0; step < 3; step += 1) current = yield context.callActivity('increment', current);
  return current;
}

async function* fanOut(context: WorkflowContext, width: number): Steps<number[]> {
  const results = yield context.whenAll(Array.from({ length: width }, () => context.callActivity('increment', 1)));
  return results.reduce((sum, each) => sum + each, 0);
}
