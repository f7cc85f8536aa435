import { Console } from 'node:console';

/** Closed-loop load: each client starts its next operation when the one before ended. */

export interface LoadResult {
  clients: number;
  operations: number;
  perSecond: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  errors: number;
}

/** The value below which the share `q` of the sorted values lies. */
export const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;

/** Runs `operation` from `clients` clients for `seconds`, after `warmUpSeconds` that are not counted. */
export async function measure(
  operation: () => Promise<void>,
  options: { clients: number; seconds: number; warmUpSeconds: number },
): Promise<LoadResult> {
  await drive(operation, options.clients, options.warmUpSeconds);
  const startedAt = performance.now();
  const { latencies, errors } = await drive(operation, options.clients, options.seconds);
  const elapsedSeconds = (performance.now() - startedAt) / 1_000;
  const sorted = latencies.sort((a, b) => a - b);
  return {
    clients: options.clients,
    operations: sorted.length,
    perSecond: round(sorted.length / elapsedSeconds),
    p50Ms: round(quantile(sorted, 0.5)),
    p95Ms: round(quantile(sorted, 0.95)),
    p99Ms: round(quantile(sorted, 0.99)),
    errors,
  };
}

async function drive(operation: () => Promise<void>, clients: number, seconds: number) {
  const latencies: number[] = [];
  let errors = 0;
  const until = performance.now() + seconds * 1_000;
  const client = async (): Promise<void> => {
    while (performance.now() < until) {
      const startedAt = performance.now();
      try {
        await operation();
        latencies.push(performance.now() - startedAt);
      } catch {
        errors += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { latencies, errors };
}

/** Does something for every item, for so many of them at a time. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const lane = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: limit }, lane));
}

/** To two decimals. */
export const round = (value: number): number => Math.round(value * 100) / 100;

/** Of its own, since a benchmark may silence the global one to be rid of a library's logs. */
const output = new Console(process.stdout);

/** Prints a table, or JSON with `--json`. */
export function report(title: string, rows: readonly object[]): void {
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ title, rows })}\n`);
    return;
  }
  process.stdout.write(`\n${title}\n`);
  output.table(rows);
}
