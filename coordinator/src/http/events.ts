import { isMeshError, MeshError } from '@daca-mesh/protocol';
import { CloudEvent, outboxState, readHttpEvents } from '@daca-mesh/protocol/events';
import { z } from 'zod';
import type { EventOutcome } from '../events/apply-rules.ts';
import { listEvents } from '../events/stored-events.ts';
import { listDeliveries } from '../events/webhooks.ts';
import type { ApiServices } from './api.ts';
import { type Route, route } from './route.ts';
import { DeliveryPage, EventDelivery, EventPage, EventReply, ParkedPage } from './event-schemas.ts';

/** CloudEvents: taking them, looking at them, and at what could not be delivered. */
export function eventRoutes(services: ApiServices): Route[] {
  return [receiveRoute(services), ...readRoutes(services), ...redriveRoutes(services)];
}

const receiveRoute = ({ events }: ApiServices): Route =>
  route({
    method: 'post',
    path: '/events',
    operationId: 'receiveEvents',
    summary: 'Takes CloudEvents; each counts once by its source and id',
    description:
      'Binary, structured and batched mode with JSON data, and what Dapr delivers to a subscription. The answer says what ' +
      'each event led to; an event that no rule takes, or that its rule cannot use, is stored and shown by GET /events. ' +
      'To Dapr the status says SUCCESS, or DROP for what is no event.',
    headers: z.looseObject({}),
    body: { schema: z.unknown(), required: false, description: 'A CloudEvent, a batch of them, or the data of one' },
    responses: { 200: { description: 'Stored; what became of each', schema: EventReply } },
    errors: ['INVALID_ARGUMENT', 'PAYLOAD_TOO_LARGE', 'CONTENT_TYPE_NOT_SUPPORTED', 'RESOURCE_EXHAUSTED'],
    handle: async ({ headers, body, caller }) => {
      let received: CloudEvent[];
      try {
        received = readHttpEvents({ headers: Headers.parse(headers), body });
      } catch (error) {
        // Dapr would bring it again and again.
        if (!isFromDapr(body) || !isMeshError(error)) throw error;
        return { status: 200, body: { status: 'DROP', events: [] } };
      }
      const outcomes = received.map(async (event) => {
        const { source, id } = event;
        return Object.assign({ source, id }, await events.receive(event, caller));
      });
      return { status: 200, body: { status: 'SUCCESS', events: await Promise.all(outcomes) } };
    },
  });

/** As Express gives them: lists for those that came several times. */
const Headers = z.record(z.string(), z.union([z.string(), z.array(z.string())]).optional());

/** Dapr names component and topic in the envelope of what it delivers. */
const isFromDapr = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && 'pubsubname' in body && 'topic' in body;

const Limit = z.coerce.number().int().min(1).max(500).default(50);
const statuses = [
  'started',
  'joined',
  'raised',
  'answered',
  'unmatched',
  'refused',
  'ignored',
] as const satisfies EventOutcome['status'][];

function readRoutes({ database, events }: ApiServices): Route[] {
  const list = route({
    method: 'get',
    path: '/events',
    operationId: 'listEvents',
    summary: 'Events that came and that were published, the newest first',
    query: z.strictObject({
      direction: z.enum(['in', 'out']).optional(),
      type: z.string().max(256).optional(),
      status: z.enum(statuses).optional().describe('What became of them'),
      before: z.coerce.number().int().positive().optional().describe('Older than this number'),
      limit: Limit,
    }),
    responses: { 200: { description: 'A page of events', schema: EventPage } },
    errors: ['INVALID_ARGUMENT'],
    handle: async ({ query }) => {
      const [stored, outbox] = [database.read(() => listEvents(query)), database.read(outboxState)];
      return { status: 200, body: { events: await stored, outbox: await outbox } };
    },
  });

  const deliveries = route({
    method: 'get',
    path: '/events/deliveries',
    operationId: 'listDeliveries',
    summary: 'Deliveries of events to webhooks, the newest first',
    query: z.strictObject({ status: z.enum(['pending', 'delivered', 'dead']).optional(), limit: Limit }),
    responses: { 200: { description: 'A page of deliveries', schema: DeliveryPage } },
    errors: ['INVALID_ARGUMENT'],
    handle: async ({ query }) => ({
      status: 200,
      body: { deliveries: await database.read(() => listDeliveries(query)) },
    }),
  });

  const parked = route({
    method: 'get',
    path: '/events/parked',
    operationId: 'listParkedEvents',
    summary: 'Events of the bus that a consumer gave up, the oldest first',
    query: z.strictObject({ after: z.coerce.number().int().min(0).optional(), limit: Limit }),
    responses: { 200: { description: 'Parked events; none without NATS', schema: ParkedPage } },
    errors: ['INVALID_ARGUMENT', 'UNAVAILABLE'],
    handle: async ({ query: { after, limit } }) => ({
      status: 200,
      body: { parked: (await events.parked?.listParked({ ...(after === undefined ? {} : { after }), limit })) ?? [] },
    }),
  });
  return [list, deliveries, parked];
}

function redriveRoutes({ events }: ApiServices): Route[] {
  const delivery = route({
    method: 'post',
    path: '/events/deliveries/{deliveryId}/redrive',
    operationId: 'redriveDelivery',
    summary: 'Sends a delivery again that is dead',
    params: z.object({ deliveryId: z.string().min(1).max(100) }),
    responses: { 202: { description: 'It will be tried at once', schema: EventDelivery } },
    errors: ['NOT_FOUND'],
    handle: async ({ params }) => ({ status: 202, body: await events.webhooks.redrive(params.deliveryId) }),
  });

  const parked = route({
    method: 'post',
    path: '/events/parked/{sequence}/redrive',
    operationId: 'redriveParkedEvent',
    summary: 'Delivers a parked event again',
    params: z.object({ sequence: z.coerce.number().int().positive() }),
    responses: { 202: { description: 'The event', schema: CloudEvent } },
    errors: ['NOT_FOUND', 'INVALID_ARGUMENT', 'UNAVAILABLE'],
    handle: async ({ params }) => {
      if (!events.parked) throw new MeshError('NOT_FOUND', 'there is no bus, and so nothing is parked');
      return { status: 202, body: await events.parked.redrive(params.sequence) };
    },
  });
  return [delivery, parked];
}
