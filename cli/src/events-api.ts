import { z } from 'zod';

/** What became of an event. */
export const EventStatus = z.enum(['started', 'joined', 'raised', 'answered', 'unmatched', 'refused', 'ignored']);

const Events = z.looseObject({
  events: z.array(
    z.looseObject({
      at: z.string(),
      direction: z.string(),
      event: z.looseObject({ type: z.string(), subject: z.string().optional() }),
      outcome: z
        .looseObject({
          status: z.string(),
          runId: z.string().optional(),
          error: z.object({ message: z.string() }).optional(),
        })
        .optional(),
    }),
  ),
  outbox: z.looseObject({ waiting: z.number(), since: z.string().optional(), dropped: z.number() }),
});
const Deliveries = z.looseObject({
  deliveries: z.array(
    z.looseObject({ deliveryId: z.string(), url: z.string(), tries: z.number(), error: z.string().optional() }),
  ),
});
const Parked = z.looseObject({
  parked: z.array(
    z.looseObject({ sequence: z.number(), consumer: z.string(), deliveries: z.number(), reason: z.string() }),
  ),
});

type Filter = Record<string, string | number | undefined>;

/** The part of the coordinator's HTTP API that is about events. */
export class EventsApi {
  readonly #call: <T>(schema: z.ZodType<T>, path: string, query?: Filter, method?: 'POST') => Promise<T>;

  constructor(call: <T>(schema: z.ZodType<T>, path: string, query?: Filter, method?: 'POST') => Promise<T>) {
    this.#call = call;
  }

  list(filter: Filter) {
    return this.#call(Events, '/events', filter);
  }

  deliveries(filter: Filter) {
    return this.#call(Deliveries, '/events/deliveries', filter);
  }

  parked(filter: Filter) {
    return this.#call(Parked, '/events/parked', filter);
  }

  /** Delivers again: a parked event by its number, else a delivery to a webhook. */
  redrive(id: string): Promise<unknown> {
    const kind = /^\d+$/u.test(id) ? 'parked' : 'deliveries';
    return this.#call(z.unknown(), `/events/${kind}/${encodeURIComponent(id)}/redrive`, {}, 'POST');
  }
}
