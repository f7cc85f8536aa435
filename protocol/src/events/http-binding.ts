import { MeshError } from '../mesh-error.ts';
import { type CloudEvent, parseEvent } from './cloud-event.ts';

/**
 * The HTTP binding (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md):
 * binary, structured and batched mode, for JSON data. Own code instead of the `cloudevents` package because that one
 * leaves header values percent-encoded; the tests exchange events with it.
 */

/** A request as far as the binding is concerned. */
export interface HttpMessage {
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The parsed JSON; undefined without a body. */
  body: unknown;
}

/** The most events one request may bring. */
export const maxBatchEvents = 1_000;

const structuredType = 'application/cloudevents+json';
const batchType = 'application/cloudevents-batch+json';

/**
 * The events in a request, in any mode. Plain `application/json` counts as structured where the body is a CloudEvent.
 * @throws MeshError `INVALID_ARGUMENT` when there is no event, or one of them is not valid; `PAYLOAD_TOO_LARGE`.
 */
export function readHttpEvents({ headers, body }: HttpMessage): CloudEvent[] {
  const contentType = String(headers['content-type'] ?? '')
    .split(';', 1)[0]
    ?.trim()
    .toLowerCase();
  if (contentType === batchType) return readBatch(body);
  if (contentType === structuredType || headers['ce-specversion'] === undefined) return [parseEvent(body)];
  return [parseEvent(readBinary(headers, body))];
}

function readBatch(body: unknown): CloudEvent[] {
  if (!Array.isArray(body)) throw new MeshError('INVALID_ARGUMENT', 'a batch is a JSON array of CloudEvents');
  if (body.length > maxBatchEvents) {
    throw new MeshError('PAYLOAD_TOO_LARGE', `a batch may have ${maxBatchEvents} events, this one has ${body.length}`);
  }
  return body.map((entry, index) => parseEvent(entry, `[${index}]`));
}

function readBinary(headers: HttpMessage['headers'], body: unknown): Record<string, unknown> {
  const attributes = Object.entries(headers)
    .filter(([header]) => header.startsWith('ce-'))
    .map(([header, value]) => [header.slice(3), decodeHeader(header, String(value))]);
  const contentType = headers['content-type'];
  return {
    ...Object.fromEntries(attributes),
    ...(contentType === undefined ? {} : { datacontenttype: String(contentType) }),
    ...(body === undefined ? {} : { data: body }),
  };
}

function decodeHeader(header: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch (cause) {
    throw new MeshError('INVALID_ARGUMENT', `the header ${header} is not valid percent-encoding`, { cause });
  }
}

/** The one event in structured mode, several as a batch. */
export function toHttpMessage(events: readonly CloudEvent[]): { headers: Record<string, string>; body: string } {
  const [only] = events;
  return events.length === 1 && only
    ? { headers: { 'content-type': structuredType }, body: JSON.stringify(only) }
    : { headers: { 'content-type': batchType }, body: JSON.stringify(events) };
}
