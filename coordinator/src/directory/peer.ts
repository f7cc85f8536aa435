import { extensionUris } from '@daca-mesh/protocol';
import type { AgentClient } from '@daca-mesh/protocol/client';

/** An agent the directory knows by its card. It stays known while it cannot be reached. */
export class Peer {
  readonly origin: string;
  readonly client: AgentClient;
  healthy = true;
  latencyMs: number;
  lastSeenAt = Date.now();
  /** False once the agent refused ListTasks: its tasks are then asked for one by one. */
  canList = true;

  constructor(origin: string, client: AgentClient, latencyMs: number) {
    this.origin = origin;
    this.client = client;
    this.latencyMs = latencyMs;
  }

  get name(): string {
    return this.client.card.name;
  }

  /** Whether a repeated message is recognized, so that the same bytes may be sent again. */
  get idempotent(): boolean {
    return this.announces(extensionUris.idempotency);
  }

  announces(uri: string): boolean {
    return this.client.card.capabilities?.extensions.some((extension) => extension.uri === uri) ?? false;
  }

  has(skill: string): boolean {
    return this.client.card.skills.some(({ id }) => id === skill);
  }
}

/** An agent as the HTTP API and the command line show it. */
export interface PeerView {
  name: string;
  url: string;
  /** `unknown`: its card could not be fetched yet. */
  status: 'up' | 'down' | 'unknown';
  description?: string;
  version?: string;
  skills: { id: string; name: string; description: string; tags: string[] }[];
  latencyMs?: number;
  lastSeenAt?: string;
}

/** The public shape of a peer; of one whose card is not known yet, its origin. */
export function toPeerView(peer: Peer | undefined, origin: string): PeerView {
  if (!peer) return { name: origin, url: origin, status: 'unknown', skills: [] };
  const { card } = peer.client;
  return {
    name: card.name,
    url: peer.origin,
    status: peer.healthy ? 'up' : 'down',
    description: card.description,
    version: card.version,
    skills: card.skills.map(({ id, name, description, tags }) => ({ id, name, description, tags })),
    latencyMs: Math.round(peer.latencyMs * 10) / 10,
    lastSeenAt: new Date(peer.lastSeenAt).toISOString(),
  };
}
