import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import { MeshError } from '../../mesh-error.ts';

/** What can be done while a server is there. */
export interface NatsSession {
  readonly connection: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
}

const retryMs = 500;
const connectTimeoutMs = 5_000;

/**
 * A connection that never gives up: the first one is awaited as patiently as any later one, since agents and server may
 * start in any order. While it is away, whoever asks gets an error instead of a place in a buffer that only grows.
 */
export class NatsLink implements AsyncDisposable {
  readonly #options: ReturnType<typeof toConnectionOptions>;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #session: NatsSession | undefined;
  #arrival = Promise.withResolvers<NatsSession>();

  constructor(options: { natsUrl: string; logger: Logger }) {
    this.#options = toConnectionOptions(options.natsUrl);
    this.#logger = options.logger;
    this.#running = this.#keepConnected();
  }

  /** Aborts when the link is closed. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  get isConnected(): boolean {
    return this.#session !== undefined;
  }

  /** The session, if there is one now. @throws MeshError `UNAVAILABLE`. */
  get session(): NatsSession {
    if (this.#session) return this.#session;
    throw new MeshError('UNAVAILABLE', 'the NATS server cannot be reached', { retryable: true });
  }

  /** The session as soon as there is one. @throws when the link is closed, or nobody waits for it any more. */
  async arrival(waiting?: AbortSignal): Promise<NatsSession> {
    const ended = Promise.withResolvers<never>();
    const signals = waiting ? [this.signal, waiting] : [this.signal];
    const onAbort = (): void => ended.reject(new MeshError('UNAVAILABLE', 'the connection to NATS is closed'));
    for (const signal of signals) {
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
    }
    try {
      return await Promise.race([ended.promise, this.#arrival.promise]);
    } finally {
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #keepConnected(): Promise<void> {
    let failures = 0;
    while (!this.signal.aborted) {
      try {
        const connection = await connect(this.#options);
        failures = 0;
        await this.#use(connection);
      } catch (err) {
        this.#logger[failures++ === 0 ? 'warn' : 'debug']({ err }, 'the NATS server cannot be reached');
      }
      // Ended early by close.
      await sleep(retryMs, undefined, { signal: this.signal }).catch(() => undefined);
    }
  }

  /** Returns when the connection has ended for good; the client itself reconnects until then. */
  async #use(connection: NatsConnection): Promise<void> {
    const close = (): void => void connection.close();
    if (this.signal.aborted) close();
    this.signal.addEventListener('abort', close, { once: true });
    try {
      const js = jetstream(connection);
      const session = { connection, js, jsm: await js.jetstreamManager(false) };
      this.#arrived(session);
      for await (const status of connection.status()) {
        if (status.type === 'disconnect') this.#left();
        else if (status.type === 'reconnect') this.#arrived(session);
      }
    } finally {
      this.#left();
      this.signal.removeEventListener('abort', close);
      await connection.close();
    }
  }

  #arrived(session: NatsSession): void {
    this.#logger.info({ server: session.connection.getServer() }, 'connected to NATS');
    this.#session = session;
    this.#arrival.resolve(session);
  }

  #left(): void {
    if (!this.#session) return;
    this.#session = undefined;
    this.#arrival = Promise.withResolvers<NatsSession>();
    if (!this.signal.aborted) this.#logger.warn('the connection to NATS is lost; reconnecting');
  }
}

/** Servers separated by commas; a user without password is a token. */
function toConnectionOptions(natsUrl: string) {
  const urls = natsUrl.split(/[\s,]+/u).filter((text) => text !== '');
  const first = new URL(urls[0] ?? '');
  const user = decodeURIComponent(first.username);
  const pass = decodeURIComponent(first.password);
  return {
    servers: urls.map((text) => new URL(text).host),
    ...(user === '' ? {} : pass === '' ? { token: user } : { user, pass }),
    ...(first.protocol === 'tls:' ? { tls: {} } : {}),
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: retryMs,
    // A server that dies without a word is noticed within half a minute.
    pingInterval: 10_000,
    // Credentials may be put right while agents run.
    ignoreAuthErrorAbort: true,
  };
}
