import type { Logger } from 'pino';
import type { DaprWorker } from './dapr-worker.ts';

const pollMs = 100;
const maxConnectMs = 30_000;

/**
 * Keeps a worker connected. The SDK's own worker resolves `start()` without an engine, dies of its first stream error
 * and stays dead; it has no event for any of that, so it is watched. A lost one is replaced by a new one.
 */
export class Supervisor {
  readonly #create: () => DaprWorker;
  readonly #logger: Logger;
  readonly #listeners = new Set<() => void>();
  #worker: DaprWorker | undefined;
  readonly #connectMs: number;
  #patienceMs: number;
  #startedAt = 0;
  #workers = 0;
  #connected = false;
  #reported: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(create: () => DaprWorker, connectMs: number, logger: Logger) {
    this.#create = create;
    this.#connectMs = connectMs;
    this.#patienceMs = connectMs;
    this.#logger = logger;
  }

  get connected(): boolean {
    // Noted first, so that whoever is to know it was told before anything is asked of the new connection; and asked, not
    // only remembered: between two looks a worker may have died.
    return this.#connected && !this.#closed && this.#worker?.state() === 'connected';
  }

  /** Calls the listener each time the connection is back after it was lost. */
  onReconnect(listener: () => void): void {
    this.#listeners.add(listener);
  }

  async start(): Promise<void> {
    await this.#replace();
    this.#timer = setInterval(() => this.#look(), pollMs);
    // The servers keep the process alive, not this.
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#worker?.drain();
  }

  #look(): void {
    const state = this.#worker?.state();
    if (state === 'connected') return this.#noteConnected();
    const isSilent = state === 'connecting';
    if (isSilent && Date.now() - this.#startedAt < this.#patienceMs) return;
    // grpc-js never closes a connection that got stuck while it was made: there must not be too many.
    if (isSilent) this.#patienceMs = Math.min(2 * this.#patienceMs, maxConnectMs);
    this.#noteLost(isSilent ? new Error('it does not answer') : this.#worker?.failure());
    this.#connected = false;
    this.#replace().catch((err: unknown) => this.#logger.error({ err }, 'a worker could not be started'));
  }

  #noteConnected(): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#reported = undefined;
    this.#patienceMs = this.#connectMs;
    this.#logger.info('connected to the workflow engine');
    // A worker that came and went between two looks was one too: rather tell once too often than not at all.
    if (this.#workers > 1) for (const listener of this.#listeners) listener();
  }

  /** Told once for each reason, not with every try. */
  #noteLost(err: unknown): void {
    const reason = err instanceof Error ? err.message : 'the stream ended';
    if (!this.#connected && this.#reported === reason) return;
    this.#reported = reason;
    const message = this.#connected ? 'lost the workflow engine' : 'the workflow engine cannot be reached';
    this.#logger.warn({ err }, message);
  }

  async #replace(): Promise<void> {
    this.#worker?.abandon();
    this.#worker = this.#create();
    this.#workers++;
    this.#startedAt = Date.now();
    await this.#worker.start();
  }
}
