import type { Logger } from 'pino';
import type { DaprWorker } from './dapr-worker.ts';

const pollMs = 250;
/** How long one connection may take before another is tried. */
const connectPatienceMs = 5000;

/**
 * Keeps a worker connected. The SDK's own worker resolves `start()` without an engine, dies of its first stream error
 * and stays dead; it has no event for any of that, so it is watched. A lost one is replaced by a new one.
 */
export class Supervisor {
  readonly #create: () => DaprWorker;
  readonly #logger: Logger;
  readonly #listeners = new Set<() => void>();
  #worker: DaprWorker | undefined;
  #startedAt = 0;
  #workers = 0;
  #connected = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(create: () => DaprWorker, logger: Logger) {
    this.#create = create;
    this.#logger = logger;
  }

  get connected(): boolean {
    // Asked, not remembered: between two looks a worker may have died.
    return this.#worker?.state() === 'connected';
  }

  /** Calls the listener each time the connection is back after it was lost. */
  onReconnect(listener: () => void): void {
    this.#listeners.add(listener);
  }

  async start(): Promise<void> {
    await this.#replace();
    this.#timer = setInterval(() => void this.#look(), pollMs);
    // The servers keep the process alive, not this.
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#worker?.stop();
  }

  async #look(): Promise<void> {
    const state = this.#worker?.state();
    if (state === 'connected') return this.#noteConnected();
    const waiting = state === 'connecting' && Date.now() - this.#startedAt < connectPatienceMs;
    if (waiting || this.#closed) return;
    if (this.#connected) this.#logger.warn('lost the workflow engine');
    this.#connected = false;
    await this.#replace();
  }

  #noteConnected(): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#logger.info('connected to the workflow engine');
    // A worker that came and went between two looks was one too: rather tell once too often than not at all.
    if (this.#workers > 1) for (const listener of this.#listeners) listener();
  }

  async #replace(): Promise<void> {
    void this.#worker
      ?.stop()
      .catch((err: unknown) => this.#logger.debug({ err }, 'a lost worker did not stop cleanly'));
    this.#worker = this.#create();
    this.#workers++;
    this.#startedAt = Date.now();
    await this.#worker.start();
  }
}
