import { z } from 'zod';
import { newId } from '../ids.ts';
import { MeshError } from '../mesh-error.ts';
import { isTooDeep, maxDepth } from '../nesting.ts';

/**
 * CloudEvents 1.0 (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) in their JSON format. An event
 * is known by its source and id together: the same pair again is the same event.
 */

/** The largest event that is taken or sent, as JSON; the specification asks for 64 KiB at least. */
export const maxEventBytes = 256 * 1024;

const name = z.string().min(1).max(256);
// An identifier ends up in HTTP and NATS headers, and a type in a NATS subject.
const identifier = name.regex(/^[^\p{Cc}\p{Cs}]+$/u, 'must not contain control characters or half a surrogate pair');
// A URI has no spaces; so source and id together are unmistakable (eventKey).
const Source = identifier.regex(/^\S+$/u, 'must not contain spaces');

const ExtensionValue = z.union([z.string().max(4_096), z.boolean(), z.int()], {
  error: 'an extension attribute is a string, a boolean or an integer',
});

const known = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'subject',
  'time',
  'datacontenttype',
  'dataschema',
  'data',
  'data_base64',
]);

/** A CloudEvent in the JSON format. Members beside those named here are its extension attributes. */
export const CloudEvent = z
  .preprocess(
    dropNulls,
    z.looseObject({
      specversion: z.literal('1.0', { error: 'must be "1.0"' }),
      /** Unique among the events of the same source. */
      id: identifier,
      /** A URI reference: who says so. */
      source: Source,
      /** What happened: `DeviceUnhealthy`. */
      type: identifier,
      /** What it happened to, among the things of the source: a device, an order, a question. */
      subject: identifier.optional(),
      /** RFC 3339. */
      time: z.iso.datetime({ offset: true }).optional(),
      datacontenttype: name.optional(),
      dataschema: z.url().optional(),
      data: z.unknown().optional(),
      data_base64: z.base64().optional(),
    }),
  )
  .superRefine((event, context) => {
    if (event.data !== undefined && event.data_base64 !== undefined) {
      context.addIssue({
        code: 'custom',
        path: ['data_base64'],
        message: 'an event has data or data_base64, not both',
      });
    }
    for (const [attribute, value] of Object.entries(event)) {
      if (known.has(attribute)) continue;
      if (!/^[a-z0-9]{1,64}$/u.test(attribute)) {
        const message = 'the name of an extension attribute consists of lower-case letters and digits';
        context.addIssue({ code: 'custom', path: [attribute], message });
      } else {
        const { error } = ExtensionValue.safeParse(value);
        for (const issue of error?.issues ?? []) {
          context.addIssue({ code: 'custom', path: [attribute], message: issue.message });
        }
      }
    }
  })
  .meta({ id: 'CloudEvent', description: 'An event (CloudEvents 1.0, JSON format)' });
export type CloudEvent = z.output<typeof CloudEvent>;

/** In the JSON format an attribute that is null is absent; data may be null. */
function dropNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key, entry]) => entry !== null || key === 'data'));
}

/** What {@link createEvent} makes an event of; further members become extension attributes. */
export interface EventFields {
  /** Spelled as past or state: `DeviceTriggered`. */
  type: string;
  /** `agentSource(name)` for the agents of the mesh. */
  source: string;
  subject?: string | undefined;
  /** Any JSON value. */
  data?: unknown;
  /** A new one by default; the same id again is the same event. */
  id?: string;
  /** Now by default. */
  time?: Date;
  [extension: string]: unknown;
}

/**
 * Makes an event, complete and checked.
 * @throws MeshError `INVALID_ARGUMENT`, `PAYLOAD_TOO_LARGE`.
 */
export function createEvent({ id, time, data, ...fields }: EventFields): CloudEvent {
  return parseEvent({
    specversion: '1.0',
    id: id ?? newId(),
    time: (time ?? new Date()).toISOString(),
    // An undefined member would count as an attribute without a value.
    ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
    ...(data === undefined ? {} : { datacontenttype: 'application/json', data }),
  });
}

/**
 * Checks a value that says it is an event.
 * @param path Where it stands in what was received, for the error.
 * @throws MeshError `INVALID_ARGUMENT` with the paths of everything that is wrong, `PAYLOAD_TOO_LARGE`.
 */
export function parseEvent(value: unknown, path = ''): CloudEvent {
  const parsed = CloudEvent.safeParse(value);
  if (!parsed.success) {
    const violations = parsed.error.issues.slice(0, 20).map((issue) => ({
      path: [path, ...issue.path.map(String)].filter((part) => part !== '').join('.'),
      message: issue.message,
    }));
    const summary = violations.map((issue) => `${issue.path}: ${issue.message}`).join('; ');
    throw new MeshError('INVALID_ARGUMENT', `not a CloudEvent: ${summary}`, { details: { violations } });
  }
  if (isTooDeep(parsed.data)) {
    throw new MeshError('INVALID_ARGUMENT', `not a CloudEvent: data must be nested at most ${maxDepth} levels deep`);
  }
  const bytes = Buffer.byteLength(JSON.stringify(parsed.data));
  if (bytes > maxEventBytes) {
    throw new MeshError('PAYLOAD_TOO_LARGE', `an event may have ${maxEventBytes} bytes, this one has ${bytes}`);
  }
  return parsed.data;
}

/** The source of the events of an agent of the mesh, by the name on its card. */
export const agentSource = (cardName: string): string => `urn:daca-mesh:agent:${cardName}`;

/** What an event is known by, as one text. */
export const eventKey = ({ source, id }: Pick<CloudEvent, 'source' | 'id'>): string => `${source} ${id}`;
