import { setTimeout as sleep } from 'node:timers/promises';
import { AckPolicy, type ConsumerMessages, DeliverPolicy, type JsMsg } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { Logger } from 'pino';
import { isMeshError } from '../../mesh-error.ts';
import { type CloudEvent, parseEvent } from '../cloud-event.ts';
import type { EventHandler, Subscription } from '../event-bus.ts';
import type { NatsLink, NatsSession } from './nats-link.ts';
import { eventStream } from './nats-names.ts';
import { parkMessage } from './nats-parked.ts';
import { ensureStreams } from './nats-streams.ts';

/** Bounds of a consumer. Times in milliseconds. */
export interface ConsumerLimits {
  /** How long the server waits for the outcome of a delivery before it delivers again; extended while a handler runs. */
  ackWaitMs: number;
  /** Deliveries after which an event is parked. */
  maxDeliveries: number;
  /** The pause before the second delivery, doubled for each further one up to `maxBackoffMs`. */
  backoffMs: number;
  maxBackoffMs: number;
  /** Events that are fetched ahead and handled at the same time. */
  maxPending: number;
}

const defaults: ConsumerLimits = {
  ackWaitMs: 5_000,
  maxDeliveries: 8,
  backoffMs: 500,
  maxBackoffMs: 60_000,
  maxPending: 64,
};

interface ConsumeOptions {
  link: NatsLink;
  logger: Logger;
  subscription: Subscription;
  handler: EventHandler;
  limits?: Partial<ConsumerLimits>;
}

/**
 * Handles events from a durable consumer until disposed. An event is acknowledged after its handler returned. The server
 * never stops delivering by itself: how often is enough is judged here, where the event can be parked in the same step.
 */
export function consumeEvents(options: ConsumeOptions): AsyncDisposable {
  const { link, logger, subscription } = options;
  if (!/^[\w-]{1,64}$/u.test(subscription.name)) {
    throw new TypeError(`"${subscription.name}" cannot name a consumer`);
  }
  const limits = { ...defaults, ...options.limits };
  const closing = new AbortController();
  const signal = AbortSignal.any([closing.signal, link.signal]);
  const delivery = new Delivery({ ...options, limits });
  const run = async (): Promise<void> => {
    let failures = 0;
    while (!signal.aborted) {
      try {
        const session = await link.arrival();
        const messages = await fetchMessages(session, subscription, limits);
        failures = 0;
        await takeUntil(signal, messages, (message) => delivery.take(session, message));
      } catch (err) {
        if (signal.aborted) return;
        // One line for an outage, not one for each attempt.
        const level = failures++ === 0 ? 'warn' : 'debug';
        logger[level]({ err, consumer: subscription.name }, 'events cannot be fetched; trying again');
      }
      // Ended early by the end of the subscription.
      await sleep(limits.backoffMs, undefined, { signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      await running;
      await delivery.settled();
    },
  };
}

async function fetchMessages(
  { jsm, js }: NatsSession,
  { name }: Subscription,
  { ackWaitMs, maxPending }: ConsumerLimits,
): Promise<ConsumerMessages> {
  await ensureStreams(jsm);
  const config = {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: maxPending,
    max_deliver: -1,
  };
  // One that is there stays as it is: servers from 2.10 on refuse to make it again with other limits.
  await jsm.consumers.info(eventStream, name).catch(() => jsm.consumers.add(eventStream, config));
  const consumer = await js.consumers.get(eventStream, name);
  // A consumer somebody deleted ends this pass, and the next one makes it anew.
  return consumer.consume({ max_messages: maxPending, abort_on_missing_resource: true });
}

async function takeUntil(
  signal: AbortSignal,
  messages: ConsumerMessages,
  take: (message: JsMsg) => void,
): Promise<void> {
  const stop = (): void => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const message of messages) take(message);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Handles messages at the same time, those about the same subject one after the other. */
class Delivery {
  readonly #limits: ConsumerLimits;
  readonly #options: ConsumeOptions;
  readonly #busy = new Map<string, Promise<void>>();

  constructor(options: ConsumeOptions & { limits: ConsumerLimits }) {
    this.#limits = options.limits;
    this.#options = options;
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#busy.values());
  }

  take(session: NatsSession, message: JsMsg): void {
    const event = tryParse(message);
    const key = event instanceof Error ? message.subject : `${event.source} ${event.subject ?? event.type}`;
    const earlier = this.#busy.get(key) ?? Promise.resolve();
    const mine = earlier.then(() => this.#handle(session, message, event));
    this.#busy.set(key, mine);
    void mine.finally(() => {
      if (this.#busy.get(key) === mine) this.#busy.delete(key);
    });
  }

  /** Never rejects: an outcome that could not be told is told at the next delivery. */
  async #handle(session: NatsSession, message: JsMsg, event: CloudEvent | Error): Promise<void> {
    const { logger, subscription, handler } = this.#options;
    const { deliveryCount } = message.info;
    const extend = setInterval(() => message.working(), this.#limits.ackWaitMs / 3);
    try {
      if (event instanceof Error) throw event;
      if (deliveryCount > this.#limits.maxDeliveries) throw new Error('its handler never came to an end');
      if (isWanted(subscription, event)) await handler(event);
      message.ack();
    } catch (error) {
      const facts = { err: error, consumer: subscription.name, subject: message.subject, deliveryCount };
      if (isPoison(error) || event instanceof Error || deliveryCount >= this.#limits.maxDeliveries) {
        await this.#park(session, message, error);
        return;
      }
      logger.warn(facts, 'an event could not be handled; it comes again');
      message.nak(this.#pauseMs(deliveryCount));
    } finally {
      clearInterval(extend);
    }
  }

  async #park(session: NatsSession, message: JsMsg, error: unknown): Promise<void> {
    const { logger, subscription } = this.#options;
    const facts = { consumer: subscription.name, subject: message.subject, streamSeq: message.seq };
    try {
      await parkMessage(session, message, subscription.name, error instanceof Error ? error.message : String(error));
      message.term();
      logger.error({ ...facts, err: error }, 'an event was parked');
    } catch (err) {
      logger.warn({ ...facts, err }, 'an event could not be parked; it comes again');
      message.nak(this.#limits.maxBackoffMs);
    }
  }

  #pauseMs(deliveryCount: number): number {
    const pauseMs = Math.min(this.#limits.backoffMs * 2 ** (deliveryCount - 1), this.#limits.maxBackoffMs);
    return Math.round(pauseMs * (0.8 + Math.random() * 0.4));
  }
}

function tryParse(message: JsMsg): CloudEvent | Error {
  try {
    return parseEvent(message.json());
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Servers before 2.10 filter by one subject only, so types are told apart here. */
const isWanted = ({ types }: Subscription, event: CloudEvent): boolean =>
  types === undefined || types.includes(event.type);

/** What the handler will say again however often it is asked. */
const isPoison = (error: unknown): boolean =>
  isMeshError(error) && !error.retryable && error.code !== 'INTERNAL' && error.code !== 'STORE_FAILED';
