import type { Run } from './schemas.ts';

const shortest = 1;
const longest = 30;
/** People take longer than programs. */
const forPeople = 60;

/**
 * In how many seconds it is worth looking at a run again; undefined for one that has ended. A quarter of the time it is
 * likely to take yet: by its percentage, where it tells one, else as long again as it has taken. So nobody who follows it
 * learns of the end much too late, and an old run is not asked about all the time.
 */
export function retryAfterSeconds(
  { status, progress, createdAt }: Pick<Run, 'status' | 'progress' | 'createdAt'>,
  now: number,
): number | undefined {
  switch (status) {
    case 'completed':
    case 'failed':
    case 'canceled':
      return undefined;
    case 'waiting':
    case 'suspended':
    case 'stalled':
      return forPeople;
    case 'pending':
    case 'running':
    case 'canceling': {
      const ageSeconds = Math.max(0, now - Date.parse(createdAt)) / 1_000;
      const percent = progress?.percent ?? 0;
      const remaining = percent > 0 ? (ageSeconds * (100 - Math.min(percent, 100))) / percent : ageSeconds;
      return Math.min(longest, Math.max(shortest, Math.ceil(remaining / 4)));
    }
    default:
      return status satisfies never;
  }
}
