import { JetStreamApiError, type JsMsg } from '@nats-io/jetstream';
import { headers, InvalidArgumentError } from '@nats-io/transport-node';
import { MeshError } from '../../mesh-error.ts';
import { type CloudEvent, parseEvent } from '../cloud-event.ts';
import type { ParkedEvent } from '../event-bus.ts';
import type { NatsSession } from './nats-link.ts';
import {
  eventStream,
  eventSubject,
  isEventSubject,
  parkedStream,
  parkedSubject,
  parkedSubjects,
} from './nats-names.ts';
import { ensureStreams, withStreams } from './nats-streams.ts';

/** Events that were given up: a stream of their own, with the reason in the headers, until somebody looks. */

const header = {
  subject: 'Mesh-Subject',
  consumer: 'Mesh-Consumer',
  reason: 'Mesh-Reason',
  deliveries: 'Mesh-Deliveries',
} as const;

const maxReasonLength = 500;

/** Parks what a consumer gave up; once, also when it is done again. */
export async function parkMessage(
  { js, jsm }: NatsSession,
  message: JsMsg,
  consumer: string,
  reason: string,
): Promise<void> {
  const park = (data: Uint8Array, why: string): Promise<unknown> => {
    const facts = headers();
    facts.set(header.subject, message.subject);
    facts.set(header.consumer, consumer);
    facts.set(header.reason, why);
    facts.set(header.deliveries, String(message.info.deliveryCount));
    // The time, too: a stream that somebody deleted counts from one again.
    const msgID = `${consumer} ${message.seq} ${message.info.timestampNanos}`;
    return withStreams(jsm, () =>
      js.publish(parkedSubject(consumer), data, { headers: facts, msgID, expect: { streamName: parkedStream } }),
    );
  };
  // A header is one line.
  const why = reason.replaceAll(/\s+/gu, ' ').slice(0, maxReasonLength);
  try {
    await park(message.data, why);
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    // It would come again and again, and keep its place among the few that may be under way.
    await park(new Uint8Array(), `${why}; too large to be parked: it is number ${message.seq} of ${eventStream}`);
  }
}

/** Whether the server takes no message of this size. The client itself knows one of its limits. */
export const isTooLarge = (error: unknown): boolean =>
  error instanceof InvalidArgumentError || (error instanceof JetStreamApiError && error.code === messageTooLarge);

/** `JSStreamMessageExceedsMaximumErr`. */
const messageTooLarge = 10_054;

const maxPage = 500;

/** Parked events after a number, oldest first. */
export async function listParked(
  { jsm }: NatsSession,
  { after = 0, limit = 100 }: { after?: number; limit?: number },
): Promise<ParkedEvent[]> {
  // Where the stream is missing, a server does not answer at all.
  await ensureStreams(jsm);
  const parked: ParkedEvent[] = [];
  let seq = after + 1;
  while (parked.length < Math.min(limit, maxPage)) {
    const message = await jsm.direct.getMessage(parkedStream, { seq, next_by_subj: parkedSubjects });
    if (!message) break;
    seq = message.seq + 1;
    const event = tryParse(message.data);
    parked.push({
      sequence: message.seq,
      consumer: message.header.get(header.consumer),
      reason: message.header.get(header.reason),
      parkedAt: message.time.toISOString(),
      deliveries: Number(message.header.get(header.deliveries)) || 0,
      ...(event && { event }),
    });
  }
  return parked;
}

/** Publishes a parked event again; consumers that handled it already recognize it. @throws MeshError `NOT_FOUND`. */
export async function redriveParked({ js, jsm }: NatsSession, sequence: number): Promise<CloudEvent> {
  await ensureStreams(jsm);
  const message = await jsm.streams.getMessage(parkedStream, { seq: sequence });
  if (!message) throw new MeshError('NOT_FOUND', `there is no parked event ${sequence}`);
  const event = tryParse(message.data);
  if (!event) throw new MeshError('INVALID_ARGUMENT', `parked message ${sequence} is not a CloudEvent`);
  const subject = message.header.get(header.subject);
  // Whoever may publish can park, too, and must not have us publish elsewhere.
  const place = isEventSubject(subject) ? subject : eventSubject(event.type);
  // An id of its own, under the event's the stream would drop it as a repetition; the time as for what is parked.
  const msgID = `redrive ${sequence} ${message.timestamp}`;
  await js.publish(place, message.data, { msgID, expect: { streamName: eventStream } });
  await jsm.streams.deleteMessage(parkedStream, sequence);
  return event;
}

function tryParse(data: Uint8Array): CloudEvent | undefined {
  try {
    return parseEvent(JSON.parse(new TextDecoder().decode(data)));
  } catch {
    // Whatever it is, it is shown without an event.
    return undefined;
  }
}
