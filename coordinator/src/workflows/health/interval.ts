import type { Targets } from './targets.ts';

/** How often is looked: from `minMs` while something is wrong to `maxMs` in calm times. */
export interface IntervalBounds {
  minMs: number;
  maxMs: number;
}

const growth = 1.5;

/** The pause before the next check: the shortest one as soon as anything is bad, a longer one after each calm check. */
export function nextIntervalMs(intervalMs: number, targets: Targets, { minMs, maxMs }: IntervalBounds): number {
  const isCalm = Object.keys(targets).length === 0;
  return isCalm ? Math.min(Math.round(intervalMs * growth), maxMs) : minMs;
}
