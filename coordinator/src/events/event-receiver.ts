import { isMeshError, type MeshError } from '@daca-mesh/protocol';
import { type CloudEvent, receiveOnce } from '@daca-mesh/protocol/events';
import type { Database, Unit } from '@daca-mesh/protocol/server';
import type { Logger } from 'pino';
import { applyRules, type EventOutcome, type RuleDeps } from './apply-rules.ts';
import { loadOutcome, storeEvent } from './stored-events.ts';

/** Takes events, from wherever they come. */
export interface EventReceiver {
  /**
   * Does what the rules say, once for each source and id, in one commit; the same event again gets the same answer.
   * An event that a rule cannot use is stored as refused. @throws MeshError that is retryable.
   */
  receive(event: CloudEvent, by: string): Promise<ReceivedOutcome>;
  /** The same for an event that a workflow published: for others of its source, what a bus brings back is ignored. */
  receiveOwn(event: CloudEvent, by: string): Promise<ReceivedOutcome>;
}

type ReceivedOutcome = EventOutcome & { repeated?: true };

export interface EventReceiverDeps extends RuleDeps {
  database: Database;
  logger: Logger;
  /** The coordinator's own source: what it published itself is not taken again. */
  source: string;
}

export function createEventReceiver(deps: EventReceiverDeps): EventReceiver {
  const { database, logger } = deps;
  const receiveOwn = async (event: CloudEvent, by: string): Promise<ReceivedOutcome> => {
    try {
      return await database.write(() => once(event, () => applyRules(deps, event, by)));
    } catch (error) {
      if (!isFinal(error)) throw error;
      const { code, message } = error;
      logger.warn({ err: error, eventId: event.id, type: event.type }, 'an event was refused');
      // Nothing of the attempt stayed; what stays is that it was made.
      return database.write(() => once(event, { status: 'refused', error: { code, message } }));
    }
  };
  return {
    receive: async (event, by) => (event.source === deps.source ? { status: 'ignored' } : receiveOwn(event, by)),
    receiveOwn,
  };
}

function* once(event: CloudEvent, decided: EventOutcome | (() => Unit<EventOutcome>)): Unit<ReceivedOutcome> {
  if (!(yield* receiveOnce(event))) {
    return { ...((yield* loadOutcome(event)) ?? { status: 'unmatched' }), repeated: true };
  }
  const outcome = typeof decided === 'function' ? yield* decided() : decided;
  yield* storeEvent(event, 'in', outcome);
  return outcome;
}

/** Whether the same event will always fail this way. */
const isFinal = (error: unknown): error is MeshError =>
  isMeshError(error) && !error.retryable && error.code !== 'STORE_FAILED' && error.code !== 'INTERNAL';
