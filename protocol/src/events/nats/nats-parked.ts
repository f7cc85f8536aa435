import type { JsMsg } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';
import { MeshError } from '../../mesh-error.ts';
import { type CloudEvent, parseEvent } from '../cloud-event.ts';
import type { ParkedEvent } from '../event-bus.ts';
import type { NatsSession } from './nats-link.ts';
import { parkedStream, parkedSubject, parkedSubjects } from './nats-names.ts';

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
  { js }: NatsSession,
  message: JsMsg,
  consumer: string,
  reason: string,
): Promise<void> {
  const facts = headers();
  facts.set(header.subject, message.subject);
  facts.set(header.consumer, consumer);
  // A header is one line.
  facts.set(header.reason, reason.replaceAll(/\s+/gu, ' ').slice(0, maxReasonLength));
  facts.set(header.deliveries, String(message.info.deliveryCount));
  // The time, too: a stream that somebody deleted counts from one again.
  const msgID = `${consumer} ${message.seq} ${message.info.timestampNanos}`;
  await js.publish(parkedSubject(consumer), message.data, { headers: facts, msgID });
}

const maxPage = 500;

/** Parked events after a number, oldest first. */
export async function listParked(
  { jsm }: NatsSession,
  { after = 0, limit = 100 }: { after?: number; limit?: number },
): Promise<ParkedEvent[]> {
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
      deliveries: Number(message.header.get(header.deliveries)),
      ...(event && { event }),
    });
  }
  return parked;
}

/** Publishes a parked event again; consumers that handled it already recognize it. @throws MeshError `NOT_FOUND`. */
export async function redriveParked({ js, jsm }: NatsSession, sequence: number): Promise<CloudEvent> {
  const message = await jsm.streams.getMessage(parkedStream, { seq: sequence });
  if (!message) throw new MeshError('NOT_FOUND', `there is no parked event ${sequence}`);
  const event = tryParse(message.data);
  if (!event) throw new MeshError('INVALID_ARGUMENT', `parked message ${sequence} is not a CloudEvent`);
  // An id of its own: under the event's the stream would drop it as a repetition.
  await js.publish(message.header.get(header.subject), message.data, { msgID: `redrive ${sequence}` });
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
