import type { Logger } from 'pino';
import type { NatsLink } from './nats/nats-link.ts';

/** An agent that says it is there. */
export interface PresentAgent {
  /** The name on its card. */
  name: string;
  /** Its origin, where its card is. */
  url: string;
}

/** How an agent announces itself. */
export interface AnnounceOptions extends PresentAgent {
  natsUrl: string;
  logger: Logger;
  /** How often it says so again; 5 s by default. */
  everyMs?: number;
}

/** What {@link watchPresence} tells. Anybody may say anything there, and as often as they like. */
export interface PresenceListener {
  /** An agent says that it is there: at its start, and again and again from then on. */
  onHere(agent: PresentAgent): void;
  /** Whether the listener wants to know when the agent at an origin falls silent; of others nothing is kept. */
  follows(origin: string): boolean;
  /** It has not said that it is there for a while; once, until it does again. */
  onSilent(agent: PresentAgent): void;
  /** It says good-bye, or has been silent for long. */
  onLeft(agent: PresentAgent): void;
}

export interface WatchPresenceOptions extends PresenceListener {
  natsUrl: string;
  logger: Logger;
  /** After which silence an agent counts as silent; 16 s by default, three announcements and a bit. */
  silentMs?: number;
}

/** Announces an agent on NATS until disposed, which says good-bye. Resolves at once, also while the server is away. */
export async function announcePresence(options: AnnounceOptions): Promise<AsyncDisposable> {
  const { announce } = await import('./nats/nats-presence.ts');
  return announce(await openLink(options), options);
}

/** Follows who is there on NATS, until disposed. What it hears is a hint from whoever may publish there, no proof. */
export async function watchPresence(options: WatchPresenceOptions): Promise<AsyncDisposable> {
  const { watch } = await import('./nats/nats-presence.ts');
  return watch(await openLink(options), options);
}

async function openLink(options: { natsUrl: string; logger: Logger }): Promise<NatsLink> {
  const { NatsLink } = await import('./nats/nats-link.ts');
  return new NatsLink(options);
}
