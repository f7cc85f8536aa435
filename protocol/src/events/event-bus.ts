import type { CloudEvent } from './cloud-event.ts';

/** Where events are published. */
export interface EventPublisher {
  /**
   * Publishes events, in this order. Resolves when the other side has stored them all; after a failure some may be there,
   * and the same events again are recognized by their source and id.
   * @throws MeshError `UNAVAILABLE` (retryable) when the other side is away or refuses for the time being;
   * `INVALID_ARGUMENT` or `PAYLOAD_TOO_LARGE` when it will never take one of them.
   */
  publish(...events: CloudEvent[]): Promise<void>;
  close(): Promise<void>;
}

/** What {@link EventBus.subscribe} delivers, and to whom. */
export interface Subscription {
  /** The durable consumer: all who subscribe under a name share its events, and it goes on where it stopped. */
  name: string;
  /** The event types it takes; all by default. */
  types?: readonly string[];
}

/** Handles one event. When it returns the event is done; when it throws the event comes again, unless it is poison. */
export type EventHandler = (event: CloudEvent) => Promise<void>;

/** A bus that also delivers: at least once, so that the handler's own commit must decide whether an event is new. */
export interface EventBus extends EventPublisher {
  subscribe(subscription: Subscription, handler: EventHandler): Promise<AsyncDisposable>;
  /** Events that were given up, oldest first. */
  listParked(filter?: { after?: number; limit?: number }): Promise<ParkedEvent[]>;
  /** Delivers a parked event again, to all consumers. @throws MeshError `NOT_FOUND`. */
  redrive(sequence: number): Promise<CloudEvent>;
}

/** An event a consumer could not handle. */
export interface ParkedEvent {
  /** Its number among the parked ones. */
  sequence: number;
  /** Who gave it up. */
  consumer: string;
  reason: string;
  /** RFC 3339. */
  parkedAt: string;
  deliveries: number;
  /** Missing where the message was no CloudEvent. */
  event?: CloudEvent;
}
