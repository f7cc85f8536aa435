import type { Logger } from 'pino';
import { isMeshError, MeshError } from '../../mesh-error.ts';
import type { CloudEvent } from '../cloud-event.ts';
import type { EventBus } from '../event-bus.ts';
import { type ConsumerLimits, consumeEvents } from './nats-consumer.ts';
import { NatsLink, type NatsSession } from './nats-link.ts';
import { eventStream, eventSubject, messageId } from './nats-names.ts';
import { isTooLarge, listParked, redriveParked } from './nats-parked.ts';
import { isNobodyThere, withStreams } from './nats-streams.ts';

/** How {@link createNatsBus} connects. */
export interface NatsBusOptions {
  /** Servers separated by commas. */
  natsUrl: string;
  logger: Logger;
  limits?: Partial<ConsumerLimits>;
}

const publishTimeoutMs = 5_000;

/**
 * The bus on NATS JetStream: one stream for all events, one durable consumer for each subscription. Uses
 * `@nats-io/transport-node` and `@nats-io/jetstream`, which replace the `nats` package (unchanged since 2024).
 */
export function createNatsBus(options: NatsBusOptions): EventBus {
  const logger = options.logger.child({ bus: 'nats' });
  const link = new NatsLink({ natsUrl: options.natsUrl, logger });
  return {
    publish: async (...events) => {
      const { session } = link;
      await withStreams(session.jsm, () => publishAll(session, events)).catch(refuse);
    },
    subscribe: async (subscription, handler) =>
      consumeEvents({ link, logger, subscription, handler, ...(options.limits && { limits: options.limits }) }),
    listParked: async (filter) => listParked(link.session, filter ?? {}).catch(refuse),
    redrive: async (sequence) => redriveParked(link.session, sequence).catch(refuse),
    close: () => link.close(),
  };
}

/** Sends all at once, which keeps their order, and waits until the stream has each. */
async function publishAll({ js }: NatsSession, events: readonly CloudEvent[]): Promise<void> {
  const published = await Promise.allSettled(
    events.map((event) =>
      js.publish(eventSubject(event.type), JSON.stringify(event), {
        msgID: messageId(event),
        timeout: publishTimeoutMs,
        retries: 0,
        // Another stream that takes these subjects, too, would keep what no consumer of the mesh ever sees.
        expect: { streamName: eventStream },
      }),
    ),
  );
  for (const result of published) if (result.status === 'rejected') throw result.reason;
}

const refuse = (error: unknown): never => {
  throw toMeshError(error);
};

/** Whatever a server says, the next one may say something else: only its limit on size is final. */
function toMeshError(cause: unknown): MeshError {
  if (isMeshError(cause)) return cause;
  const why = isNobodyThere(cause)
    ? `JetStream is not ready, or the subjects of the stream ${eventStream} were changed`
    : cause instanceof Error
      ? cause.message
      : String(cause);
  if (isTooLarge(cause)) return new MeshError('PAYLOAD_TOO_LARGE', `NATS refused an event: ${why}`, { cause });
  return new MeshError('UNAVAILABLE', `NATS did not take the events: ${why}`, { retryable: true, cause });
}
