import { isMeshError, MeshError } from '@daca-mesh/protocol';
import { WakeLoop } from '@daca-mesh/protocol/events';
import { type HttpClient, type HttpResponse, nodeHttpClient } from '@daca-mesh/protocol/client';
import { all, type Database, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import type { Signal } from '../store/signals.ts';
import { type DeliveryRow, eventQuery } from './event-tables.ts';
import { webhookHeaders } from './webhook-signature.ts';

/**
 * Brings events to webhooks: each delivery is a row, tried for three days with growing pauses, then dead until somebody
 * sends it again. A slow or broken receiver delays nobody but itself.
 */

export interface WebhooksOptions {
  database: Database;
  urls: readonly string[];
  /** Signs what is sent, as Standard Webhooks does. */
  secret?: string | undefined;
  put: Signal;
  logger: Logger;
  http?: HttpClient;
  /** The pause after each failed try; after the last one the delivery is dead. */
  pausesMs?: readonly number[];
}

export interface Webhooks {
  /** Begins; what waited for a webhook that is no longer configured is dead. */
  start(): Promise<void>;
  close(): Promise<void>;
  /** Sends a delivery again that is dead, or waits, to a webhook that is configured. @throws MeshError `NOT_FOUND`. */
  redrive(deliveryId: string): Promise<Delivery>;
}

/** A delivery, as people see it. */
export interface Delivery {
  deliveryId: string;
  /** Without credentials and query. */
  url: string;
  status: DeliveryRow['status'];
  tries: number;
  /** Of its event, in the log. */
  eventSeq: number;
  createdAt: string;
  /** When it is tried next, while it is pending. */
  nextAt?: string;
  /** Why the last try failed. */
  error?: string;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const pauses = [
  5_000,
  5 * minuteMs,
  30 * minuteMs,
  2 * hourMs,
  5 * hourMs,
  10 * hourMs,
  14 * hourMs,
  20 * hourMs,
  24 * hourMs,
];
const concurrent = 8;
const idleMs = 30_000;
const timeoutMs = 15_000;
/** A receiver may ask for more time than the next pause gives it, up to this. */
const maxRetryAfterMs = 24 * hourMs;

type Due = DeliveryRow & { event: string };

export function createWebhooks(options: WebhooksOptions): Webhooks {
  const { database, logger } = options;
  const closing = new AbortController();
  const loops = new Map<string, WakeLoop>(
    options.urls.map((url): [string, WakeLoop] => [
      url,
      new WakeLoop({
        pass: () => deliverDue(options, url, closing.signal),
        onFailure: (err) => logger.error({ err, webhook: new URL(url).origin }, 'deliveries could not be read'),
        backoffMs: 1_000,
        maxBackoffMs: idleMs,
      }),
    ]),
  );
  const wake = (): void => {
    for (const loop of loops.values()) loop.wake();
  };
  const unlisten = options.put.listen(wake);
  return {
    start: async () => {
      await database.write(() => abandonOthers(options.urls));
      wake();
    },
    close: async () => {
      unlisten();
      closing.abort();
      await Promise.all([...loops.values()].map((loop) => loop.close()));
    },
    redrive: async (deliveryId) => {
      const delivery = await database.write(() => redriveDelivery(deliveryId, options.urls));
      wake();
      return delivery;
    },
  };
}

async function deliverDue(options: WebhooksOptions, url: string, signal: AbortSignal): Promise<number> {
  while (!signal.aborted) {
    const due = await options.database.read(() => all(selectDue({ url, now: Date.now() })));
    if (due.length === 0) break;
    await Promise.all(due.map((row) => deliver(options, row, signal)));
  }
  const next = await options.database.read(() => first(selectNext({ url })));
  return next === undefined ? idleMs : Math.min(Math.max(next.next_at - Date.now(), 1), idleMs);
}

async function deliver(options: WebhooksOptions, row: Due, signal: AbortSignal): Promise<void> {
  const { database, logger } = options;
  const facts = { deliveryId: row.delivery_id, webhook: new URL(row.url).origin, tries: row.tries + 1 };
  try {
    await post(options, row, signal);
    await database.write(() => settle({ ...row, status: 'delivered', tries: row.tries + 1, error: null }));
  } catch (error) {
    // Ended by us: it is sent again at the next start.
    if (signal.aborted) return;
    if (!isMeshError(error)) throw error;
    const pauseMs = (options.pausesMs ?? pauses)[row.tries];
    const isGone = error.details?.['status'] === 410;
    const status = pauseMs === undefined || isGone ? 'dead' : 'pending';
    logger[status === 'dead' ? 'error' : 'warn']({ ...facts, err: error }, 'a webhook did not take an event');
    const askedForMs = Math.min(Number(error.details?.['retryAfterMs'] ?? 0), maxRetryAfterMs);
    const next_at = Date.now() + Math.max((pauseMs ?? 0) * (0.9 + Math.random() * 0.2), askedForMs);
    const next = { status, next_at: Math.round(next_at), tries: row.tries + 1, error: error.message } as const;
    await database.write(() => settle({ ...row, ...next }));
  }
}

async function post({ http = nodeHttpClient, secret }: WebhooksOptions, row: Due, signal: AbortSignal): Promise<void> {
  const timestampSeconds = Math.floor(Date.now() / 1_000);
  const sending = http.fetch({
    method: 'POST',
    url: row.url,
    headers: {
      'content-type': 'application/cloudevents+json',
      'user-agent': 'daca-mesh',
      ...webhookHeaders({ id: row.delivery_id, timestampSeconds, body: row.event }, secret),
    },
    body: row.event,
    connectTimeoutMs: 5_000,
    timeoutMs,
    maxBodyBytes: 64 * 1024,
    signal,
  });
  const { status, headers } = await sending.catch(ofLongAnswer);
  if (status >= 200 && status < 300) return;
  const details = { status, retryAfterMs: toRetryAfterMs(headers['retry-after'] ?? '') };
  throw new MeshError('PEER_FAILED', `the webhook answered ${status}`, { retryable: true, details });
}

/** `Retry-After` says how many seconds, or until when (RFC 9110, section 10.2.3); what is neither says nothing. */
function toRetryAfterMs(value: string): number {
  const seconds = Number(value);
  return (Number.isNaN(seconds) ? Date.parse(value) - Date.now() : seconds * 1_000) || 0;
}

/** What a receiver says beside its status is nothing to us, however long it is. */
function ofLongAnswer(error: unknown): Pick<HttpResponse, 'status' | 'headers'> {
  const status = isMeshError(error) && error.code === 'PAYLOAD_TOO_LARGE' && error.details?.['status'];
  if (typeof status !== 'number') throw error;
  return { status, headers: {} };
}

const selectDue = statement<{ url: string; now: number }, Due>((value) =>
  eventQuery
    .selectFrom('event_deliveries')
    .innerJoin('cloud_events', 'cloud_events.seq', 'event_deliveries.event_seq')
    .selectAll('event_deliveries')
    .select('cloud_events.event')
    .where('url', '=', value('url'))
    .where('event_deliveries.status', '=', 'pending')
    .where('next_at', '<=', value('now'))
    .orderBy('next_at')
    .limit(concurrent),
);
const selectNext = statement<{ url: string }, { next_at: number }>((value) =>
  eventQuery
    .selectFrom('event_deliveries')
    .select('next_at')
    .where('url', '=', value('url'))
    .where('status', '=', 'pending')
    .orderBy('next_at')
    .limit(1),
);

function* abandonOthers(urls: readonly string[]): Unit<void> {
  const pending = eventQuery.updateTable('event_deliveries').where('status', '=', 'pending');
  const others = urls.length === 0 ? pending : pending.where('url', 'not in', urls);
  yield* run(others.set({ status: 'dead', error: 'this webhook is no longer configured' }).compile());
}

/** Gives up the oldest deliveries of each webhook beyond the newest so many. @returns how many. */
export function* limitPending(urls: readonly string[], keep: number): Unit<number> {
  let dead = 0;
  for (const url of urls) {
    const pending = eventQuery.selectFrom('event_deliveries').where('url', '=', url).where('status', '=', 'pending');
    const surplus = pending.select('event_seq').orderBy('event_seq', 'desc').limit(1).offset(keep);
    const last = yield* first(surplus.compile());
    if (!last) continue;
    dead += yield* run(
      eventQuery
        .updateTable('event_deliveries')
        .set({ status: 'dead', error: `more than ${keep} events wait for this webhook` })
        .where('url', '=', url)
        .where('status', '=', 'pending')
        .where('event_seq', '<=', last.event_seq)
        .compile(),
    );
  }
  return dead;
}

function* settle({ delivery_id, status, tries, next_at, error }: DeliveryRow): Unit<void> {
  yield* run(
    eventQuery
      .updateTable('event_deliveries')
      .set({ status, tries, next_at, error })
      .where('delivery_id', '=', delivery_id)
      .compile(),
  );
}

function* redriveDelivery(deliveryId: string, urls: readonly string[]): Unit<Delivery> {
  const row = yield* first(
    eventQuery
      .updateTable('event_deliveries')
      .set({ status: 'pending', tries: 0, next_at: Date.now() })
      .where('delivery_id', '=', deliveryId)
      .where('status', '<>', 'delivered')
      .where('url', 'in', urls)
      .returningAll()
      .compile(),
  );
  if (!row) throw new MeshError('NOT_FOUND', `there is no delivery ${deliveryId} that could be sent again`);
  return toDelivery(row);
}

/** A password or a token in a URL is for its receiver only. */
function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

/** Deliveries, the newest first. */
export function* listDeliveries(filter: {
  status?: DeliveryRow['status'] | undefined;
  limit: number;
}): Unit<Delivery[]> {
  const deliveries = eventQuery.selectFrom('event_deliveries').selectAll();
  const wanted = filter.status === undefined ? deliveries : deliveries.where('status', '=', filter.status);
  return (yield* all(wanted.orderBy('created_at', 'desc').limit(filter.limit).compile())).map(toDelivery);
}

const toDelivery = (row: DeliveryRow): Delivery => ({
  deliveryId: row.delivery_id,
  url: withoutSecrets(row.url),
  status: row.status,
  tries: row.tries,
  eventSeq: row.event_seq,
  createdAt: new Date(row.created_at).toISOString(),
  ...(row.status === 'pending' ? { nextAt: new Date(row.next_at).toISOString() } : {}),
  ...(row.error === null ? {} : { error: row.error }),
});
