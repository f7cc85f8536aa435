/**
 * The two engines side by side: the embedded sidecar and Dapr's own (daprd, scheduler, placement), each with its store in
 * SQLite. Worker and client are one process on the unmodified SDK; the embedded engine is in that process too.
 *   node bench/engine.ts [--engine embedded|daprd] [--durability full|normal] [--seconds 5] [--stored 1000] [--json]
 * `--stored` completes that many runs first, to see whether a step costs more when more is stored; `--parked` waits with
 * that many runs, to see what one costs in memory.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type EngineName, engineNames, startEngine } from './engine/engines.ts';
import { type Program, startProgram } from './engine/program.ts';
import { measure, quantile, report, round } from './load.ts';

const { values } = parseArgs({
  options: {
    engine: { type: 'string' },
    durability: { type: 'string', default: 'full' },
    seconds: { type: 'string', default: '5' },
    stored: { type: 'string', default: '1000' },
    parked: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const mebibytes = (bytes: number): number => round(bytes / 2 ** 20);

// Four lines per work item that nobody can turn off.
for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) console[level] = () => {};

const engineName = engineNames.find((name) => name === values.engine);
if (engineName === undefined) compare();
else await benchmark(engineName);

/** One process per engine, so that neither finds what the other left in memory. */
function compare(): void {
  for (const name of engineNames) {
    spawnSync(process.execPath, ['--expose-gc', import.meta.filename, ...process.argv.slice(2), '--engine', name], {
      stdio: 'inherit',
    });
  }
}

async function benchmark(name: EngineName): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'engine-bench-'));
  try {
    await using engine = await startEngine(name, folder, values.durability === 'normal' ? 'normal' : 'full');
    await using program = await startProgram(engine.address);
    const title = `${name}, durability ${name === 'embedded' ? values.durability : 'of state.sqlite'}`;
    report(`${title}: three activities in a row`, await chains(program));
    report(`${title}: activities side by side`, await fanOuts(program));
    report(`${title}: an event`, await events(program));
    report(`${title}: by the number of stored runs`, await withStoredRuns(program));
    report(`${title}: memory`, await memory(program));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function chains(program: Program): Promise<object[]> {
  const rows = [];
  for (const clients of [1, 20, 100]) {
    const cpu = process.cpuUsage();
    const row = await measure(() => program.chain(), { clients, seconds, warmUpSeconds: 2 });
    const { user, system } = process.cpuUsage(cpu);
    rows.push({ ...row, ownCpuMs: round((user + system) / 1_000 / row.operations / (1 + 2 / seconds)) });
  }
  return rows;
}

async function fanOuts(program: Program): Promise<object[]> {
  const rows = [];
  for (const width of [10, 100, 1_000]) {
    const times = await timeEach(width === 1_000 ? 5 : 20, () => program.fanOut(width));
    rows.push({ width, ...times });
  }
  return rows;
}

async function events(program: Program): Promise<object[]> {
  const ids: string[] = [];
  const start = await timeEach(100, async () => void ids.push(await program.park()));
  const resume = await timeEach(100, async () => program.resume(ids.pop() ?? ''));
  return [
    { step: 'start until it waits', ...start },
    { step: 'raise until completed', ...resume },
  ];
}

async function withStoredRuns(program: Program): Promise<object[]> {
  const rows = [];
  for (const stored of [10, Number(values.stored)]) {
    await inParallel(stored, () => program.chain());
    rows.push({ stored: `${stored} more`, ...(await timeEach(100, () => program.chain())) });
  }
  return rows;
}

async function memory(program: Program): Promise<object[]> {
  const before = memoryMiB();
  const ids: string[] = [];
  await inParallel(Number(values.parked), async () => void ids.push(await program.park()));
  const parked = memoryMiB();
  await inParallel(ids.length, async () => program.resume(ids.pop() ?? ''));
  return [
    { when: 'before', ...before },
    { when: `${values.parked} runs wait`, ...parked },
    { when: 'after they ended', ...memoryMiB() },
  ];
}

async function inParallel(count: number, operation: () => Promise<void>): Promise<void> {
  let left = count;
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await operation();
    }
  };
  await Promise.all(Array.from({ length: 50 }, client));
}

/** One after the other. */
async function timeEach(count: number, operation: () => Promise<void>) {
  const times: number[] = [];
  for (let done = 0; done < count; done += 1) {
    const startedAt = performance.now();
    await operation();
    times.push(performance.now() - startedAt);
  }
  const sorted = times.sort((a, b) => a - b);
  return { times: count, p50Ms: round(quantile(sorted, 0.5)), p95Ms: round(quantile(sorted, 0.95)) };
}

/** Of this process after a collection, and of the programs it started (Linux). */
function memoryMiB(): Record<string, number> {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { ownRss: mebibytes(rss), ownHeap: mebibytes(heapUsed), programs: mebibytes(descendantsRss()) };
}

function descendantsRss(): number {
  const processes = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => readProcess(pid) ?? []);
  let family = new Set([process.pid]);
  for (let size = 0; size !== family.size;) {
    size = family.size;
    family = new Set([...family, ...processes.filter(({ parent }) => family.has(parent)).map(({ pid }) => pid)]);
  }
  return processes
    .filter(({ pid }) => pid !== process.pid && family.has(pid))
    .reduce((sum, { rssBytes }) => sum + rssBytes, 0);
}

function readProcess(pid: string): { pid: number; parent: number; rssBytes: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return { pid: Number(pid), parent: field('PPid'), rssBytes: field('VmRSS') * 1_024 };
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}
