import { setTimeout as sleep } from 'node:timers/promises';
import { isMeshError } from '@daca-mesh/protocol';
import type { MeshApi } from './mesh-api.ts';
import { isFinal, type TimelineEntry } from './timeline-entry.ts';

/** How long a coordinator that does not answer is waited for; `up` has it back long before. */
const patienceMs = 60_000;
const retryDelayMs = 250;

/**
 * Yields a run's timeline from its start to its end, each entry once. A stream that breaks, as when the coordinator is
 * killed, is taken up again after the last entry seen.
 */
export async function* followRun(api: MeshApi, runId: string, signal?: AbortSignal): AsyncGenerator<TimelineEntry> {
  let lastSeq = 0;
  let answeredAt = Date.now();
  for (;;) {
    try {
      for await (const entry of api.follow(runId, lastSeq)) {
        answeredAt = Date.now();
        if (entry.seq <= lastSeq) continue;
        lastSeq = entry.seq;
        yield entry;
        if (isFinal(entry)) return;
      }
    } catch (error) {
      if (!isMeshError(error) || !error.retryable || Date.now() - answeredAt > patienceMs) throw error;
    }
    await sleep(retryDelayMs, undefined, signal ? { signal } : {});
  }
}
