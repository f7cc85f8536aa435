import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowActivityContext, WorkflowContext } from '@dapr/dapr';
// Deep imports load a fifth of what the root does; this program is started many times.
import clientModule from '@dapr/dapr/workflow/client/DaprWorkflowClient.js';
import runtimeModule from '@dapr/dapr/workflow/runtime/WorkflowRuntime.js';
import { startSidecar } from '../../src/index.ts';

/**
 * A program that is killed again and again. Each start takes up the same fixed set of workflows where the last one died,
 * and the start that lives long enough to see all of them end writes their outputs to stdout. Every activity leaves a line
 * in effects.log.
 */
const folder = process.argv[2] ?? '.';
const output = process.stdout;
for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) console[level] = () => {};

type Steps<T = unknown> = AsyncGenerator<unknown, unknown, T>;
interface Work {
  readonly key: string;
  readonly value: number;
}

const sidecar = await startSidecar({ path: join(folder, 'engine.db') });
const address = { daprHost: sidecar.host, daprPort: String(sidecar.port) };
const runtime = new runtimeModule.default(address);
const client = new clientModule.default(address);

runtime.registerActivityWithName('work', async (_context: WorkflowActivityContext, { key, value }: Work) => {
  appendFileSync(join(folder, 'effects.log'), `${key}\n`);
  await sleep(15);
  return { value: value + 1 };
});
runtime.registerWorkflowWithName('chain', async function* (context: WorkflowContext, length: number): Steps<Work> {
  let value = 0;
  for (let step = 0; step < length; step += 1) {
    const key = `${context.getWorkflowInstanceId()}/${step}`;
    ({ value } = yield context.callActivity('work', { key, value }));
  }
  return value;
});
runtime.registerWorkflowWithName(
  'generations',
  async function* (context: WorkflowContext, { value }: Work): Steps<Work> {
    const key = `${context.getWorkflowInstanceId()}/${value}`;
    const next = yield context.callActivity('work', { key, value });
    if (next.value === 15) return next.value;
    context.continueAsNew(next, true);
    return undefined;
  },
);
runtime.registerWorkflowWithName('family', async function* (context: WorkflowContext): Steps<number[]> {
  const id = context.getWorkflowInstanceId();
  const children = ['a', 'b', 'c', 'd'].map((name) => context.callChildWorkflow('chain', 5, `${id}-${name}`));
  return yield context.whenAll(children);
});
runtime.registerWorkflowWithName('sleeper', async function* (context: WorkflowContext): Steps<Work> {
  let value = 0;
  for (let step = 0; step < 10; step += 1) {
    yield context.createTimer(0.05);
    ({ value } = yield context.callActivity('work', { key: `${context.getWorkflowInstanceId()}/${step}`, value }));
  }
  return value;
});
runtime.registerWorkflowWithName('collector', async function* (context: WorkflowContext): Steps<{ n: number }> {
  // The program cannot know what it raised before it died, so events come more than once.
  const seen = new Set<number>();
  while (seen.size < 8) seen.add((yield context.waitForExternalEvent('n')).n);
  return [...seen].toSorted((a, b) => a - b);
});
await runtime.start();

async function run(name: string, id: string, input: unknown): Promise<[string, string | undefined]> {
  if ((await client.getWorkflowState(id, false)) === undefined) await client.scheduleNewWorkflow(name, input, id);
  if (name === 'collector') await raiseEvents(id);
  const state = await client.waitForWorkflowCompletion(id, true, 60);
  return [id, `${state?.runtimeStatus} ${state?.serializedOutput}`];
}

async function raiseEvents(id: string): Promise<void> {
  for (let n = 0; n < 8; n += 1) {
    await client.raiseEvent(id, 'n', { n });
    await sleep(20);
  }
}

const plan = [0, 1, 2, 3].flatMap((n) => [
  run('chain', `chain-${n}`, 30),
  run('generations', `generations-${n}`, { value: 0 }),
  run('family', `family-${n}`, undefined),
  run('sleeper', `sleeper-${n}`, undefined),
  run('collector', `collector-${n}`, undefined),
]);
output.write('running\n');
output.write(`${JSON.stringify(Object.fromEntries(await Promise.all(plan)))}\n`);
process.exit(0);
