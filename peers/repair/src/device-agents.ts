import type { DeviceKind } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { AgentClient } from '@daca-mesh/protocol/client';
import type { Logger } from 'pino';

/** Where the agents of devices are looked for, and how. */
export interface DeviceAgentsOptions {
  /** The only origins that are ever called. */
  origins: readonly string[];
  token: string | undefined;
  /** Time limit of looking for one, and of each call of it. */
  timeoutMs: number;
  logger: Logger;
}

/** Finds the agent that services a kind of device by the cards of the agents this one was told of. */
export type FindDeviceAgent = (kind: DeviceKind, signal: AbortSignal) => Promise<AgentClient>;

const cardTimeoutMs = 5_000;
const firstPauseMs = 100;
const maxPauseMs = 2_000;

/**
 * Makes the finder. A card is read anew whenever an agent is looked for: one repair is rare, and what a card said
 * yesterday need not hold.
 */
export function createFindDeviceAgent(options: DeviceAgentsOptions): FindDeviceAgent {
  const { timeoutMs } = options;
  return async (kind, signal) => {
    const deadline = performance.now() + timeoutMs;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, maxPauseMs)) {
      const found = await findOnce(kind, options);
      if (found) return found;
      signal.throwIfAborted();
      if (performance.now() + pauseMs > deadline) {
        throw new MeshError('PEER_NOT_FOUND', `no agent services a ${kind}`, { retryable: true });
      }
      await new Promise((wake) => setTimeout(wake, pauseMs));
    }
  };
}

async function findOnce(kind: DeviceKind, options: DeviceAgentsOptions): Promise<AgentClient | undefined> {
  const clients = await Promise.all(options.origins.map((origin) => tryConnect(origin, kind, options)));
  return clients.find((client) => client !== undefined);
}

async function tryConnect(
  origin: string,
  kind: DeviceKind,
  { token, timeoutMs, logger }: DeviceAgentsOptions,
): Promise<AgentClient | undefined> {
  try {
    const { card } = await AgentClient.connect(origin, { retries: 0, timeoutMs: cardTimeoutMs });
    if (![`get-${kind}`, `service-${kind}`].every((id) => card.skills.some((skill) => skill.id === id))) {
      return undefined;
    }
    // Within its time a call is repeated as often as it takes: the agent recognizes what it has had already.
    const retries = Number.POSITIVE_INFINITY;
    const client = await AgentClient.connect(card, { retries, timeoutMs, ...(token === undefined ? {} : { token }) });
    if (new URL(client.url).origin === origin) return client;
    logger.warn({ peer: origin, url: client.url }, 'a card that leads to another origin is not followed');
  } catch (err) {
    logger.debug({ err, peer: origin }, 'an agent could not be asked what it does');
  }
  return undefined;
}
