import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DaprWorkflowClient, WorkflowRuntime, type WorkflowContext } from '@dapr/dapr';
import { startSidecar } from '../src/index.ts';

/**
 * Chains of three trivial activities; client, worker and sidecar in this one process.
 *   node bench/engine.ts [--durability full|normal] [--seconds 5] [--stored 0]
 * `--stored` completes that many runs first, to see whether the cost of a step depends on what is stored.
 */
const { values } = parseArgs({
  options: {
    durability: { type: 'string', default: 'full' },
    seconds: { type: 'string', default: '5' },
    stored: { type: 'string', default: '0' },
  },
});
const durability = values.durability === 'normal' ? 'normal' : 'full';
const folder = mkdtempSync(join(tmpdir(), 'sidecar-bench-'));
for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) console[level] = () => {};
const report = (line: string): boolean => process.stdout.write(`${line}\n`);

const sidecar = await startSidecar({ path: join(folder, 'engine.db'), durability, maxUnackedPerStream: 1000 });
const address = { daprHost: sidecar.host, daprPort: String(sidecar.port) };
const runtime = new WorkflowRuntime(address);
// The worker is private, and its limits cannot be set in another way.
const worker: unknown = Reflect.get(runtime, 'worker');
if (typeof worker !== 'object' || worker === null) throw new Error('this @dapr/dapr has no worker to tune');
Object.assign(worker, { _maxConcurrentWorkItems: 5000, _maxQueueSize: Number.POSITIVE_INFINITY });
runtime.registerActivityWithName('increment', (_context, value: number) => value + 1);
runtime.registerWorkflowWithName('chain', async function* (context: WorkflowContext, value: number): AsyncGenerator<
  unknown,
  number,
  number
> {
  let current = value;
  for (let step = 0; step < 3; step += 1) current = yield context.callActivity('increment', current);
  return current;
});
await runtime.start();
const client = new DaprWorkflowClient(address);

async function runChain(): Promise<number> {
  const start = performance.now();
  const id = await client.scheduleNewWorkflow('chain', 1);
  const state = await client.waitForWorkflowCompletion(id, true, 60);
  if (state?.serializedOutput !== '4') throw new Error(`${id} returned ${state?.serializedOutput}`);
  return performance.now() - start;
}

async function runClients(clients: number, seconds: number) {
  const times: number[] = [];
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const runOne = async (): Promise<void> => {
    while (performance.now() - start < seconds * 1000) times.push(await runChain());
  };
  await Promise.all(Array.from({ length: clients }, runOne));
  const perSecond = times.length / ((performance.now() - start) / 1000);
  const cpu = process.cpuUsage(cpuBefore);
  // Of all threads of this process; unlike the rest it does not depend on what else the machine is doing.
  const cpuMs = (cpu.user + cpu.system) / 1000 / times.length;
  return { perSecond, cpuMs, sorted: times.toSorted((a, b) => a - b) };
}

await runClients(20, 2);
let stored = 0;
while (stored < Number(values.stored)) stored += (await runClients(100, 5)).sorted.length;
report(`durability ${durability}, ${stored} runs stored`);
for (const clients of [1, 20, 100]) {
  const { perSecond, cpuMs, sorted } = await runClients(clients, Number(values.seconds));
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(1);
  const latency = `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms`;
  report(`${clients} clients: ${perSecond.toFixed(0)} chains/s, ${latency}, CPU ${cpuMs.toFixed(2)} ms/chain`);
}
await Promise.all([runtime.stop(), client.stop()]);
await sidecar.close();
rmSync(folder, { recursive: true, force: true });
