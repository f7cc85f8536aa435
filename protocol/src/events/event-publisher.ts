import type { Logger } from 'pino';
import { isMeshError } from '../mesh-error.ts';
import type { Database } from '../server/database/unit.ts';
import type { EventPublisher } from './event-bus.ts';
import {
  hasUntoldDrops,
  keepNewest,
  onEventPut,
  outboxState,
  refuseEvent,
  removeEvents,
  tellDrops,
  waitingEvents,
  type WaitingEvent,
} from './event-outbox.ts';
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
  /** How often the log says that events are being dropped, while they are; a minute by default. */
  warnEveryMs?: number;
}

const batch = 100;
/** Well below what a sink takes in one request. */
const maxBatchBytes = 1024 ** 2;
const keptWithoutBus = 1_000;
/** Rows are looked for this often even when nobody says that there are new ones. */
const idleMs = 10_000;

/**
 * Brings events from the outbox to the bus, in order and for as long as it takes. An event the bus will never take is
 * set aside, so that it does not hold up those behind it. Where events were dropped because too many waited, an event
 * `EventsDropped` says how many. The bus stays open when the publisher is closed.
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
        // Halves find the one among many that is refused with few requests.
        const half = Math.ceil(waiting.length / 2);
        await publish(waiting.slice(0, half));
        await publish(waiting.slice(half));
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
      const waiting = await database.read(() => waitingEvents(batch, maxBatchBytes));
      if (waiting.length > 0) await publish(waiting);
      // Only when the bus is back: before, it would itself be dropped.
      else if (await database.read(hasUntoldDrops)) await database.write(tellDrops);
      else break;
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
  const warner = warnOfDrops(options);
  loop.wake();
  return {
    close: async () => {
      unlisten();
      await Promise.all([loop.close(), warner.close()]);
    },
  };
}

/** Says in the log that events are dropped: once in a while, not for each. */
function warnOfDrops({ database, logger, warnEveryMs = 60_000 }: EventPublisherOptions): { close(): Promise<void> } {
  let said: number | undefined;
  const loop = new WakeLoop({
    pass: async () => {
      const { dropped, waiting, since } = await database.read(outboxState);
      // What was dropped in an earlier life was said then.
      const news = dropped - (said ?? dropped);
      if (news > 0)
        logger.warn({ dropped: news, waiting, since }, 'the bus is away for long: oldest events are dropped');
      said = dropped;
      return warnEveryMs;
    },
    onFailure: (err) => logger.error({ err }, 'the outbox of events could not be read'),
    backoffMs: warnEveryMs,
    maxBackoffMs: warnEveryMs,
  });
  loop.wake();
  return loop;
}

/** Whether the bus says something about the event, and not about itself. */
const isRefusal = (error: unknown): boolean =>
  isMeshError(error) && (error.code === 'INVALID_ARGUMENT' || error.code === 'PAYLOAD_TOO_LARGE');
