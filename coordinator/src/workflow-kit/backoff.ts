import { fractionOf, type Origin } from './identity.ts';

const firstMs = 1000;
const longestMs = 30_000;
const jitter = 0.2;

/**
 * How long to wait after a failed attempt: 1 s doubling to 30 s, ±20 %. The jitter comes from the run and the path, so
 * that a replay waits as long and many runs do not wait in step.
 */
export function backoffMs(origin: Origin, path: string, failedAttempts: number): number {
  const base = Math.min(firstMs * 2 ** (failedAttempts - 1), longestMs);
  return Math.round(base * (1 - jitter + 2 * jitter * fractionOf(origin, path, failedAttempts)));
}
