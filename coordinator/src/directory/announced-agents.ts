import { setTimeout as sleep } from 'node:timers/promises';
import type { PresentAgent } from '@daca-mesh/protocol/events';
import type { Logger } from 'pino';
import type { Signal } from '../store/signals.ts';
import { type ForeignPolicy, refusalOf, requireAllowed } from './foreign-agents.ts';
import { PeerLoop } from './peer-loop.ts';
import type { Peer } from './peer.ts';

/**
 * Agents that announce themselves on the event bus. An announcement proves nothing, so they are trusted as far as any
 * agent that is no configured peer: only at origins that may be called, never with the token of the mesh, and never in
 * the place of a configured peer that has the same name. It counts when the card at its origin was fetched; a good-bye,
 * when the card is there no more. Those whose card is awaited have places of their own, each for one look, so that
 * invented announcements take no place of an agent that is there, and others get their turn.
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

/** The most agents that are known by their card. */
const maxAgents = 256;
/** The most origins that are looked at for the first time at once; whoever finds no place announces himself again. */
const maxLooks = 32;
/** How long a first look has its place: at least, which bounds what a flood of announcements costs, and at most. */
const minLookMs = 100;
const maxLookMs = 5_000;
/** The most origins of which is logged why they are not taken. */
const maxRefusals = 32;

interface Entry {
  loop: PeerLoop;
  /** Once its card is there. */
  peer: Peer | undefined;
  /** It said good-bye: it is forgotten as soon as it cannot be reached. */
  isLeaving: boolean;
  stop: AbortController;
}

export class AnnouncedAgents {
  readonly #options: AnnouncedAgentsOptions;
  readonly #entries = new Map<string, Entry>();
  /** Origins that were refused, so that it is logged once. */
  readonly #refused = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  /** First looks that are under way. */
  #looks = 0;
  #isFull = false;

  constructor(options: AnnouncedAgentsOptions) {
    this.#options = options;
  }

  /** Of those whose card is there. */
  get origins(): string[] {
    return [...this.#entries].filter(([, { peer }]) => peer).map(([origin]) => origin);
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
    if (configured.includes(url)) return;
    const known = this.#entries.get(url);
    if (known) {
      known.isLeaving = false;
      return;
    }
    const refusal = refusalOf(url, policy);
    if (!refusal) {
      if (this.#looks < maxLooks) this.#follow(url);
    } else if (!this.#refused.has(url) && this.#refused.size < maxRefusals) {
      this.#refused.add(url);
      logger.warn({ err: refusal, peer: url, name }, 'an agent that announced itself is not taken');
    }
  };

  readonly follows = (origin: string): boolean => this.#entries.has(origin);

  readonly silent = ({ url }: PresentAgent): void => this.loopOf(url)?.lookNow();

  readonly left = ({ url }: PresentAgent): void => {
    const entry = this.#entries.get(url);
    if (!entry) return;
    entry.isLeaving = true;
    entry.loop.lookSoon();
  };

  async close(): Promise<void> {
    await Promise.all(this.#running);
  }

  #follow(origin: string): void {
    const { policy, logger, refreshMs, signal } = this.#options;
    const stop = new AbortController();
    const options = {
      logger,
      refreshMs,
      isHearsay: true,
      checkUrl: (url: string) => requireAllowed(url, policy),
      onFailure: () => {
        if (!entry.peer || entry.isLeaving) this.#forget(origin, entry);
      },
    };
    const onUp = (peer: Peer): void => this.#take(entry, peer);
    const loop = new PeerLoop(origin, options, AbortSignal.any([signal, stop.signal]), onUp);
    const entry: Entry = { loop, peer: undefined, isLeaving: false, stop };
    this.#entries.set(origin, entry);
    void this.#limitFirstLook(entry);
    const running = loop.run().finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #limitFirstLook(entry: Entry): Promise<void> {
    this.#looks += 1;
    const { firstLook, origin } = entry.loop;
    const rest = sleep(minLookMs, undefined, { ref: false });
    await Promise.race([firstLook, sleep(maxLookMs, undefined, { ref: false })]);
    await rest;
    this.#looks -= 1;
    if (!entry.peer) this.#forget(origin, entry);
  }

  #take(entry: Entry, peer: Peer): void {
    const { logger, up } = this.#options;
    // Its card came too late.
    if (entry.stop.signal.aborted) return;
    if (!entry.peer) {
      if (!this.#makeRoom()) {
        this.#forget(peer.origin, entry);
        return;
      }
      logger.info({ peer: peer.origin, name: peer.name }, 'an agent announced itself');
    }
    entry.peer = peer;
    up.emit(peer);
  }

  /** Where all places are taken, one that is down gives way. */
  #makeRoom(): boolean {
    if (this.origins.length < maxAgents) return true;
    const down = [...this.#entries].find(([, { peer }]) => peer?.healthy === false);
    if (down) this.#forget(...down);
    else if (!this.#isFull) {
      this.#options.logger.warn({ maxAgents }, 'no more agents that announce themselves are taken');
    }
    this.#isFull = !down;
    return down !== undefined;
  }

  #forget(origin: string, { stop, peer }: Entry): void {
    stop.abort();
    if (this.#entries.get(origin)?.stop === stop) this.#entries.delete(origin);
    if (peer) this.#options.logger.info({ peer: origin, name: peer.name }, 'an agent left');
  }
}
