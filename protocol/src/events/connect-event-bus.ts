import type { Logger } from 'pino';
import type { AgentConfig } from '../server/agent-config.ts';
import type { EventBus, EventPublisher } from './event-bus.ts';
import { createHttpPublisher } from './http-publisher.ts';
import type { NatsBusOptions } from './nats/nats-bus.ts';

/** Which bus an agent has; the first that is set. */
export interface EventBusOptions {
  /** Servers of NATS with JetStream, separated by commas. */
  natsUrl?: string | undefined;
  /** A sink of CloudEvents, for example the coordinator's `/events`. */
  httpUrl?: string | undefined;
  /** The token of the mesh, for the HTTP sink. */
  token?: string | undefined;
  logger: Logger;
}

/** The part of {@link EventBusOptions} that comes from the settings of an agent. */
export const eventBusSettings = (
  config: Pick<AgentConfig, 'natsUrl' | 'meshUrl' | 'token'>,
): Pick<EventBusOptions, 'natsUrl' | 'httpUrl' | 'token'> => ({
  natsUrl: config.natsUrl,
  httpUrl: config.meshUrl === undefined ? undefined : `${config.meshUrl}/events`,
  token: config.token,
});

/**
 * The bus an agent publishes to, or undefined where none is configured. Resolves at once, also while the other side is
 * away: publishing then fails as retryable, and the outbox keeps the events.
 */
export async function connectEventBus(options: EventBusOptions): Promise<EventPublisher | undefined> {
  const { natsUrl, httpUrl, token, logger } = options;
  if (natsUrl !== undefined) return connectNatsBus({ natsUrl, logger });
  return httpUrl === undefined ? undefined : createHttpPublisher({ url: httpUrl, token });
}

/** The bus on NATS JetStream, with everything a bus can do. Resolves at once, also while the server is away. */
export async function connectNatsBus(options: NatsBusOptions): Promise<EventBus> {
  // Loaded only where there is a server: the client costs memory that most agents can do without.
  const { createNatsBus } = await import('./nats/nats-bus.ts');
  return createNatsBus(options);
}
