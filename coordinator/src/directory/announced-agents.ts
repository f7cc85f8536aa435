import type { PresentAgent } from '@daca-mesh/protocol/events';
import type { Logger } from 'pino';
import type { Signal } from '../store/signals.ts';
import { type ForeignPolicy, refusalOf, requireAllowed } from './foreign-agents.ts';
import { PeerLoop } from './peer-loop.ts';
import type { Peer } from './peer.ts';

/**
 * Agents that announce themselves on the event bus. An announcement proves nothing, so they are trusted as far as any
 * agent that is no configured peer: only at origins that may be called, never with the token of the mesh, and never in
 * the place of a configured peer that has the same name.
 */

export interface AnnouncedAgentsOptions {
  policy: ForeignPolicy;
  /** Origins of the configured peers, which are looked for whatever is announced. */
  configured: readonly string[];
  logger: Logger;
  refreshMs?: number | undefined;
  signal: AbortSignal;
  up: Signal<Peer>;
}

const maxAgents = 256;

interface Entry {
  loop: PeerLoop;
  peer: Peer | undefined;
  stop: AbortController;
  running: Promise<void>;
}

export class AnnouncedAgents {
  readonly #options: AnnouncedAgentsOptions;
  readonly #entries = new Map<string, Entry>();
  /** Origins that were refused, so that it is logged once. */
  readonly #refused = new Set<string>();

  constructor(options: AnnouncedAgentsOptions) {
    this.#options = options;
  }

  get origins(): string[] {
    return [...this.#entries.keys()];
  }

  at(origin: string): Peer | undefined {
    return this.#entries.get(origin)?.peer;
  }

  loopOf(origin: string): PeerLoop | undefined {
    return this.#entries.get(origin)?.loop;
  }

  /** The peers with the announced agents behind them, but for those that take the name of one. */
  join(peers: readonly Peer[]): Peer[] {
    const names = new Set(peers.map(({ name }) => name));
    const others = [...this.#entries.values()].flatMap(({ peer }) => (peer && !names.has(peer.name) ? peer : []));
    return [...peers, ...others];
  }

  readonly here = ({ name, url }: PresentAgent): void => {
    const { configured, policy, logger } = this.#options;
    if (configured.includes(url) || this.#entries.has(url)) return;
    const refusal = refusalOf(url, policy);
    if (!refusal && this.#entries.size < maxAgents) {
      logger.info({ peer: url, name }, 'an agent announced itself');
      this.#follow(url);
    } else if (!this.#refused.has(url) && this.#refused.size < maxAgents) {
      this.#refused.add(url);
      logger.warn({ err: refusal, peer: url, name }, 'an agent that announced itself is not taken');
    }
  };

  readonly silent = ({ url }: PresentAgent): void => this.loopOf(url)?.lookNow();

  readonly left = ({ url }: PresentAgent): void => {
    const entry = this.#entries.get(url);
    if (!entry) return;
    entry.stop.abort();
    this.#entries.delete(url);
    this.#options.logger.info({ peer: url }, 'an agent left');
  };

  async close(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ running }) => running));
  }

  #follow(origin: string): void {
    const { policy, logger, refreshMs, signal, up } = this.#options;
    const stop = new AbortController();
    const options = { logger, refreshMs, checkUrl: (url: string) => requireAllowed(url, policy) };
    const loop = new PeerLoop(origin, options, AbortSignal.any([signal, stop.signal]), (peer) => {
      entry.peer = peer;
      up.emit(peer);
    });
    const entry: Entry = { loop, peer: undefined, stop, running: Promise.resolve() };
    this.#entries.set(origin, entry);
    entry.running = loop.run();
  }
}
