import { setTimeout as sleep } from 'node:timers/promises';
import { isMeshError, MeshError } from '../mesh-error.ts';
import { isKnownUnsent } from './peer-error.ts';

/** How a call may be repeated. */
export interface RetryPolicy {
  /** Attempts after the first. */
  retries: number;
  /** The time limit over all attempts. */
  timeoutMs: number;
  /** Whether the peer may meet the request twice: it reads only, or the peer recognizes it. */
  repeatable: boolean;
  /** Told of every failure that is followed by another attempt. */
  onRetry?: (error: unknown) => void;
  signal?: AbortSignal | undefined;
}

const firstDelayMs = 50;
const maxDelayMs = 5_000;

/** Whether the same request may succeed a moment later: the connection failed, or the peer is slow, busy or restarting. */
export const isTransient = (error: unknown): boolean =>
  isMeshError(error) &&
  ['DEADLINE_EXCEEDED', 'PEER_UNREACHABLE', 'RESOURCE_EXHAUSTED', 'UNAVAILABLE'].includes(error.code);

/** The pause before attempt `failures + 1`: doubling, ±20 %, and no less than the peer asked for. */
export function retryDelayMs(failures: number, error?: unknown): number {
  const askedFor = isMeshError(error) ? Number(error.details?.['retryAfterMs'] ?? 0) : 0;
  const doubling = Math.min(firstDelayMs * 2 ** failures, maxDelayMs);
  return Math.max(askedFor, doubling * (0.8 + Math.random() * 0.4));
}

/** Waits. @throws MeshError `CANCELED` when the signal fires first. */
export async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal ? { signal } : {});
  } catch (cause) {
    throw new MeshError('CANCELED', 'the call was canceled', { cause });
  }
}

/**
 * Runs an attempt, and again what failed where that is safe: always when the request is known unsent, else only what is
 * repeatable. Each attempt gets what is left of the time.
 */
export async function withRetries<T>(policy: RetryPolicy, attempt: (timeoutMs: number) => Promise<T>): Promise<T> {
  const deadline = performance.now() + policy.timeoutMs;
  for (let failures = 0; ; failures++) {
    try {
      return await attempt(Math.max(1, deadline - performance.now()));
    } catch (error) {
      const safe = isKnownUnsent(error) || policy.repeatable;
      const delayMs = retryDelayMs(failures, error);
      if (failures >= policy.retries || !safe || !isTransient(error)) throw error;
      if (performance.now() + delayMs >= deadline) throw error;
      policy.onRetry?.(error);
      await pause(delayMs, policy.signal);
    }
  }
}
