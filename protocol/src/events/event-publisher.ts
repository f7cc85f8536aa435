import type { Logger } from 'pino';
import { isMeshError } from '../mesh-error.ts';
import type { Database } from '../server/database/unit.ts';
import type { EventPublisher } from './event-bus.ts';
import { keepNewest, onEventPut, refuseEvent, removeEvents, waitingEvents, type WaitingEvent } from './event-outbox.ts';
import { WakeLoop } from './wake-loop.ts';

/** What {@link startEventPublisher} works with. Times in milliseconds. */
export interface EventPublisherOptions {
  /** With `eventSchema` among its schemas. */
  database: Database;
  /** Without one the newest 1,000 events are kept and nothing is sent. */
  bus?: EventPublisher | undefined;
  logger: Logger;
  /** The first pause after a failure, doubled up to `maxBackoffMs`; 100 by default. */
  backoffMs?: number;
  /** 30 s by default. */
  maxBackoffMs?: number;
}

const batch = 100;
const keptWithoutBus = 1_000;
/** Rows are looked for this often even when nobody says that there are new ones. */
const idleMs = 10_000;

/**
 * Brings events from the outbox to the bus, in order and for as long as it takes. An event the bus will never take is
 * set aside, so that it does not hold up those behind it. The bus stays open when the publisher is closed.
 */
export function startEventPublisher(options: EventPublisherOptions): { close(): Promise<void> } {
  const { database, bus, logger } = options;
  const publish = async (waiting: readonly WaitingEvent[]): Promise<void> => {
    try {
      await bus?.publish(...waiting.map(({ event }) => event));
    } catch (error) {
      const [only] = waiting;
      if (!isRefusal(error)) throw error;
      if (waiting.length > 1 || !only) {
        for (const each of waiting) await publish([each]);
        return;
      }
      const reason = error instanceof Error ? error.message : 'refused';
      logger.error({ err: error, eventId: only.event.id, type: only.event.type }, 'the bus refused an event for good');
      await database.write(() => refuseEvent(only.seq, reason));
      return;
    }
    await database.write(() => removeEvents(waiting.map(({ seq }) => seq)));
  };

  const pass = async (): Promise<number> => {
    if (!bus) {
      await database.write(() => keepNewest(keptWithoutBus));
      return idleMs;
    }
    while (!loop.closed) {
      const waiting = await database.read(() => waitingEvents(batch));
      if (waiting.length === 0) break;
      await publish(waiting);
    }
    return idleMs;
  };

  const loop = new WakeLoop({
    pass,
    // One line for an outage, not one for each attempt.
    onFailure: (err, failures) =>
      logger[failures === 1 ? 'warn' : 'debug']({ err }, 'events wait: the bus did not take them'),
    backoffMs: options.backoffMs ?? 100,
    maxBackoffMs: options.maxBackoffMs ?? 30_000,
  });
  // Nobody waits for events that go nowhere: they are only counted from time to time.
  const unlisten = bus ? onEventPut(() => loop.wake()) : (): void => undefined;
  loop.wake();
  return {
    close: async () => {
      unlisten();
      await loop.close();
    },
  };
}

/** Whether the bus says something about the event, and not about itself. */
const isRefusal = (error: unknown): boolean =>
  isMeshError(error) && (error.code === 'INVALID_ARGUMENT' || error.code === 'PAYLOAD_TOO_LARGE');
