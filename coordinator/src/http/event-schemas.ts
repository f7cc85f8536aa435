import { CloudEvent } from '@daca-mesh/protocol/events';
import { z } from 'zod';

/** What an event led to, as the API describes it. */
const EventOutcome = z
  .object({
    status: z
      .enum(['started', 'joined', 'raised', 'answered', 'unmatched', 'refused', 'ignored'])
      .describe(
        'started: a run · joined: an open run has it in hand · raised: in a run · answered: a question · ' +
          'unmatched: no rule took it · refused: its rule could not use it · ignored: the coordinator itself published it',
      ),
    rule: z.string().optional(),
    runId: z.string().optional(),
    questionId: z.string().optional(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  })
  .meta({ id: 'EventOutcome', description: 'What an event led to' });

export const EventReply = z
  .object({
    status: z.enum(['SUCCESS', 'DROP']).describe('What Dapr is told'),
    events: z.array(
      EventOutcome.extend({ source: z.string(), id: z.string(), repeated: z.literal(true).optional() }).meta({
        id: 'ReceivedEvent',
      }),
    ),
  })
  .meta({ id: 'EventReply', description: 'What became of the events of a request, in their order' });

export const EventPage = z
  .object({
    events: z.array(
      z
        .object({
          seq: z.int(),
          direction: z.enum(['in', 'out']),
          at: z.string(),
          event: CloudEvent,
          outcome: EventOutcome.optional(),
        })
        .meta({ id: 'StoredEvent' }),
    ),
    outbox: z
      .object({
        waiting: z.int(),
        since: z.string().optional().describe('Since when the oldest of them waits'),
        dropped: z.int().describe('The oldest are dropped where too many wait'),
        droppedAt: z.string().optional(),
      })
      .meta({ id: 'OutboxState', description: 'Events of the coordinator on their way to the bus' }),
  })
  .meta({ id: 'EventPage', description: 'Events, the newest first' });

export const EventDelivery = z
  .object({
    deliveryId: z.string(),
    url: z.string(),
    status: z.enum(['pending', 'delivered', 'dead']),
    tries: z.int(),
    eventSeq: z.int(),
    createdAt: z.string(),
    nextAt: z.string().optional(),
    error: z.string().optional(),
  })
  .meta({ id: 'EventDelivery', description: 'An event on its way to a webhook' });

export const DeliveryPage = z.object({ deliveries: z.array(EventDelivery) }).meta({ id: 'DeliveryPage' });

export const ParkedPage = z
  .object({
    parked: z.array(
      z
        .object({
          sequence: z.int(),
          consumer: z.string(),
          reason: z.string(),
          parkedAt: z.string(),
          deliveries: z.int(),
          event: CloudEvent.optional(),
        })
        .meta({ id: 'ParkedEvent' }),
    ),
  })
  .meta({ id: 'ParkedPage', description: 'Events a consumer gave up, the oldest first' });
