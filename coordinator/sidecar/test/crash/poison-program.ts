import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowContext } from '@dapr/dapr';
import clientModule from '@dapr/dapr/workflow/client/DaprWorkflowClient.js';
import runtimeModule from '@dapr/dapr/workflow/runtime/WorkflowRuntime.js';
import { startSidecar } from '../../src/index.ts';

/**
 * Sound workflows, and one whose code kills the process unless it is `fixed`: `poison-program.ts <folder> [fixed]`.
 * Ends when all but stalled workflows have ended, and writes what became of each.
 */
const [folder = '.', code] = process.argv.slice(2);
const output = process.stdout;
for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) console[level] = () => {};
const outcome: Record<string, string> = {};

const sidecar = await startSidecar({
  path: join(folder, 'engine.db'),
  onStalled: (id, reason) => {
    outcome[id] = `stalled: ${reason}`;
  },
});
const address = { daprHost: sidecar.host, daprPort: String(sidecar.port) };
const runtime = new runtimeModule.default(address);
const client = new clientModule.default(address);
runtime.registerActivityWithName('work', (_context, value: number) => value + 1);
runtime.registerWorkflowWithName('sound', async function* (context: WorkflowContext, length: number): AsyncGenerator<
  unknown,
  number,
  number
> {
  let value = 1;
  while (value < length) value = yield context.callActivity('work', value);
  return value;
});
runtime.registerWorkflowWithName('slow', async () => {
  // Still in progress when its neighbour ends the process.
  await sleep(300);
  return 'slow but sound';
});
runtime.registerWorkflowWithName('poison', async function* (context: WorkflowContext): AsyncGenerator<
  unknown,
  string,
  number
> {
  yield context.callActivity('work', 1);
  if (code !== 'fixed') process.kill(process.pid, 'SIGKILL');
  return 'harmless now';
});
await runtime.start();

async function run(name: string, id: string, input?: unknown): Promise<void> {
  if (id in outcome) return;
  if (code === 'fixed') await client.resumeWorkflow(id);
  else if ((await client.getWorkflowState(id, false)) === undefined) await client.scheduleNewWorkflow(name, input, id);
  const state = await client.waitForWorkflowCompletion(id, true, 30);
  outcome[id] = `${state?.runtimeStatus} ${state?.serializedOutput}`;
}

const neighbours = [0, 1, 2].map((n) => run('sound', `sound-${n}`, 20));
await Promise.all([...neighbours, run('slow', 'slow'), run('poison', 'poison')]);
output.write(JSON.stringify(outcome));
process.exit(0);
