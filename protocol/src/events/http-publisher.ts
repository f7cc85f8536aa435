import { type HttpClient, type HttpResponse, nodeHttpClient } from '../client/http-client.ts';
import { isMeshError, MeshError } from '../mesh-error.ts';
import type { EventPublisher } from './event-bus.ts';
import { toHttpMessage } from './http-binding.ts';

/** Where {@link createHttpPublisher} sends events. */
export interface HttpPublisherOptions {
  /** Takes CloudEvents by POST and answers 2xx when they are stored. */
  url: string;
  /** A bearer token, sent to this URL only. */
  token?: string | undefined;
  /** Headers of the receiver's own. */
  headers?: Readonly<Record<string, string>>;
  /** Whether it takes several events in one request; true by default. */
  batches?: boolean;
  /** The answers that are about an event itself and final; all others can be another day's. 400, 413 and 422 by default. */
  refusals?: readonly number[];
  /** 10 s by default. */
  timeoutMs?: number;
  http?: HttpClient;
}

/** Publishes by the HTTP binding: to the coordinator's `/events`, or to any other sink. */
export function createHttpPublisher(options: HttpPublisherOptions): EventPublisher {
  const http = options.http ?? nodeHttpClient;
  const post = async (events: Parameters<EventPublisher['publish']>): Promise<void> => {
    const { headers, body } = toHttpMessage(events);
    let response: HttpResponse;
    try {
      response = await http.fetch({
        method: 'POST',
        url: options.url,
        headers: {
          ...options.headers,
          ...headers,
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        },
        body,
        connectTimeoutMs: 5_000,
        timeoutMs: options.timeoutMs ?? 10_000,
        maxBodyBytes: 64 * 1024,
      });
    } catch (cause) {
      const why = isMeshError(cause) ? cause.message : 'the request failed';
      throw new MeshError('UNAVAILABLE', `events cannot be delivered: ${why}`, { retryable: true, cause });
    }
    refuse(response, options);
  };
  return {
    publish: async (...events) => {
      if (options.batches ?? true) await post(events);
      else for (const event of events) await post([event]);
    },
    close: async () => undefined,
  };
}

function refuse({ status, body }: HttpResponse, { url, refusals = [400, 413, 422] }: HttpPublisherOptions): void {
  if (status >= 200 && status < 300) return;
  const { origin } = new URL(url);
  const details = { status, answer: body.slice(0, 500) };
  if (refusals.includes(status)) {
    if (status === 413)
      throw new MeshError('PAYLOAD_TOO_LARGE', `${origin} says that an event is too large`, { details });
    throw new MeshError('INVALID_ARGUMENT', `${origin} refused an event`, { details });
  }
  throw new MeshError('UNAVAILABLE', `${origin} answered ${status}`, { retryable: true, details });
}
