export {
  agentSource,
  CloudEvent,
  createEvent,
  type EventFields,
  eventKey,
  maxEventBytes,
  parseEvent,
} from './cloud-event.ts';
export { connectEventBus, connectNatsBus, type EventBusOptions, eventBusSettings } from './connect-event-bus.ts';
export type { EventBus, EventHandler, EventPublisher, ParkedEvent, Subscription } from './event-bus.ts';
export { eventSchema, type OutboxState, outboxState, putEvent } from './event-outbox.ts';
export { type EventPublisherOptions, startEventPublisher } from './event-publisher.ts';
export { type HttpMessage, maxBatchEvents, readHttpEvents } from './http-binding.ts';
export { createHttpPublisher, type HttpPublisherOptions } from './http-publisher.ts';
export type { NatsBusOptions } from './nats/nats-bus.ts';
export {
  announcePresence,
  type AnnounceOptions,
  type PresenceListener,
  type PresentAgent,
  watchPresence,
  type WatchPresenceOptions,
} from './presence.ts';
export { forgetReceived, receiveOnce } from './received-events.ts';
export { WakeLoop, type WakeLoopOptions } from './wake-loop.ts';
