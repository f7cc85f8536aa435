import { setTimeout as sleep } from 'node:timers/promises';
import { AgentClient } from '@daca-mesh/protocol/client';
import type { Logger } from 'pino';
import { Peer } from './peer.ts';

const connectTimeoutMs = 2_000;
const minPauseMs = 50;
const firstRetryMs = 100;
const maxRetryMs = 2_000;

/** How an agent is looked after. */
export interface PeerLoopOptions {
  token?: string | undefined;
  logger: Logger;
  /** How often one that is up is asked for its card; 15 s by default. */
  refreshMs?: number | undefined;
  /** Judges where a card points to; one that is refused is never used. */
  checkUrl?: (url: string) => void;
  /** Told of each look that failed. */
  onFailure?: (error: unknown) => void;
  /** Nobody vouches for it: that it cannot be reached is no news before it once was. */
  isHearsay?: boolean;
}

/** Looks after one agent: until its card is there it is fetched, from then on it is asked for by its ETag. */
export class PeerLoop {
  readonly origin: string;
  readonly firstLook: Promise<void>;
  readonly #options: PeerLoopOptions;
  readonly #signal: AbortSignal;
  readonly #onUp: (peer: Peer) => void;
  readonly #looked = Promise.withResolvers<void>();
  #peer: Peer | undefined;
  #wake = new AbortController();

  constructor(origin: string, options: PeerLoopOptions, signal: AbortSignal, onUp: (peer: Peer) => void) {
    this.origin = origin;
    this.#options = options;
    this.#signal = signal;
    this.#onUp = onUp;
    this.firstLook = this.#looked.promise;
  }

  async run(): Promise<void> {
    for (let failures = 0; !this.#signal.aborted;) {
      const wasUp = this.#peer?.healthy === true;
      try {
        const peer = await this.#look();
        failures = 0;
        if (!wasUp) this.#onUp(peer);
      } catch (err) {
        if (this.#peer) this.#peer.healthy = false;
        this.#options.onFailure?.(err);
        const level = this.#peer || !this.#options.isHearsay ? 'warn' : 'debug';
        if (failures++ === 0) this.#options.logger[level]({ err, peer: this.origin }, 'peer cannot be reached');
      }
      this.#looked.resolve();
      const retryMs = Math.min(firstRetryMs * 2 ** Math.min(failures, 10), maxRetryMs);
      await this.#pause(failures === 0 ? (this.#options.refreshMs ?? 15_000) : retryMs);
    }
    this.#looked.resolve();
  }

  /** Somebody found the peer unreachable: it is looked at again soon. */
  lookNow(): void {
    if (!this.#peer?.healthy) return;
    this.#peer.healthy = false;
    this.#wake.abort();
  }

  /** Somebody says that it has gone, which may be wrong: it is looked at again soon, and counts as up until then. */
  lookSoon(): void {
    this.#wake.abort();
  }

  async #look(): Promise<Peer> {
    const startedAt = performance.now();
    const { token, checkUrl } = this.#options;
    if (this.#peer) {
      await this.#peer.client.refresh();
    } else {
      const client = await AgentClient.connect(this.origin, {
        connectTimeoutMs,
        ...(token === undefined ? {} : { token }),
        ...(checkUrl ? { checkUrl } : {}),
      });
      this.#peer = new Peer(this.origin, client, 0);
    }
    this.#peer.latencyMs = performance.now() - startedAt;
    this.#peer.lastSeenAt = Date.now();
    this.#peer.healthy = true;
    return this.#peer;
  }

  async #pause(ms: number): Promise<void> {
    this.#wake = new AbortController();
    // Whoever wakes it again and again does not have it look without a pause.
    await sleep(minPauseMs, undefined, { signal: this.#signal }).catch(() => undefined);
    // Ended early by a wake-up or the end of the directory; both are fine.
    await sleep(ms - minPauseMs, undefined, { signal: AbortSignal.any([this.#signal, this.#wake.signal]) }).catch(
      () => undefined,
    );
  }
}
