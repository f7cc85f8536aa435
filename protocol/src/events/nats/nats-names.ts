import { type CloudEvent, eventKey } from '../cloud-event.ts';

/** The names of the mesh at a NATS server. They are part of what agents of other makers rely on: never change them. */

/** The stream of all events, and the one of those that were given up. */
export const eventStream = 'MESH_EVENTS';
export const parkedStream = 'MESH_EVENTS_PARKED';

const eventPrefix = 'mesh.events';
const parkedPrefix = 'mesh.parked';

/** All that {@link eventStream} takes; the bare prefix is a topic for publishers that know one topic only (Dapr). */
export const eventSubjects = [eventPrefix, `${eventPrefix}.>`];
export const parkedSubjects = `${parkedPrefix}.>`;

/** The subject of an event type; what a subject cannot contain is percent-encoded. */
export function eventSubject(type: string): string {
  const token = encodeURIComponent(type).replaceAll('*', '%2A');
  const hasEmptyToken = /^\.|\.$|\.\./u.test(token);
  return `${eventPrefix}.${hasEmptyToken ? token.replaceAll('.', '%2E') : token}`;
}

/** Whether events come on a subject. */
export const isEventSubject = (subject: string): boolean =>
  subject === eventPrefix || (subject.startsWith(`${eventPrefix}.`) && !/[\s*>]/u.test(subject));

/** What the server knows an event by; it ignores spaces at the end. */
export const messageId = (event: CloudEvent): string => eventKey(event).replaceAll(/[%\s]/gu, encodeURIComponent);

/** The subject of what a consumer gave up. */
export const parkedSubject = (consumer: string): string => `${parkedPrefix}.${consumer}`;

/** The subject on which agents say that they are there. */
export const presenceSubject = 'mesh.presence';
