import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '@daca-mesh/protocol';
import { AgentClient } from '@daca-mesh/protocol/client';
import type { Logger } from 'pino';
import { Signal } from '../store/signals.ts';
import type { CallRequest } from '../workflow-kit/contract.ts';
import { Peer, type PeerView, toPeerView } from './peer.ts';

/**
 * The agents the coordinator knows, by their cards. Each configured origin has one loop: until the card is there it is
 * fetched, from then on it is asked for by its ETag, which also tells whether the agent is up and how fast it answers.
 */

export interface DirectoryOptions {
  /** Origins of the peers, in order of preference. */
  origins: readonly string[];
  /** The token of the mesh: sent to the configured origins only. */
  token?: string | undefined;
  logger: Logger;
  /** How often a peer that is up is asked for its card; 15 s by default. */
  refreshMs?: number;
}

export interface Directory {
  /** Begins to look; resolves when every peer has answered, or could not, once. */
  start(): Promise<void>;
  close(): Promise<void>;
  /**
   * The peer for a call: the first healthy one, in the configured order, else the first. Undefined while a peer that
   * might be the one is not known yet. @throws MeshError `SKILL_NOT_FOUND`, `PEER_NOT_FOUND`.
   */
  choose(target: CallRequest['target']): Peer | undefined;
  /** The peer at a configured origin, once its card is known. */
  at(origin: string): Peer | undefined;
  /** Every configured peer. */
  list(): PeerView[];
  /** A call to a peer found it unreachable: it counts as down until it answers again. */
  reportDown(origin: string): void;
  /** A peer became known, or answers again. */
  readonly up: Signal<Peer>;
}

const connectTimeoutMs = 2_000;
const firstRetryMs = 100;
const maxRetryMs = 2_000;

export function createDirectory(options: DirectoryOptions): Directory {
  const peers = new Map<string, Peer>();
  const origins = options.origins.map((url) => new URL(url).origin);
  const closing = new AbortController();
  const up = new Signal<Peer>();
  const loops: PeerLoop[] = origins.map(
    (origin) =>
      new PeerLoop(origin, options, closing.signal, (peer) => {
        peers.set(origin, peer);
        up.emit(peer);
      }),
  );
  const running: Promise<void>[] = [];
  const known = (): Peer[] => origins.flatMap((origin) => peers.get(origin) ?? []);

  return {
    up,
    start: async () => {
      for (const loop of loops) running.push(loop.run());
      await Promise.all(loops.map((loop) => loop.firstLook));
    },
    close: async () => {
      closing.abort();
      await Promise.all(running);
    },
    choose: (target) => choosePeer(known(), target, peers.size < origins.length),
    at: (origin) => peers.get(origin),
    list: () =>
      origins.map((origin) => {
        const peer = peers.get(origin);
        return peer ? toPeerView(peer) : { name: origin, url: origin, status: 'unknown', skills: [] };
      }),
    reportDown: (origin) => loops.find((loop) => loop.origin === origin)?.lookNow(),
  };
}

function choosePeer(known: readonly Peer[], target: CallRequest['target'], moreToCome: boolean): Peer | undefined {
  const { skill } = target;
  const agent = 'agent' in target ? target.agent : undefined;
  const named = agent === undefined ? known : known.filter((peer) => peer.name === agent);
  const able = skill === undefined ? named : named.filter((peer) => peer.has(skill));
  const found = able.find((peer) => peer.healthy) ?? able[0];
  if (found) return found;
  if (agent !== undefined && named.length === 0) {
    if (moreToCome) return undefined;
    throw new MeshError('PEER_NOT_FOUND', `no agent named "${agent}" is known`, {
      details: { agent, known: known.map(({ name }) => name) },
    });
  }
  if (moreToCome && agent === undefined) return undefined;
  throw new MeshError('SKILL_NOT_FOUND', `no agent that is known has the skill "${skill}"`, {
    details: { skill, known: known.map(({ name }) => name) },
  });
}

/** Looks after one origin. */
class PeerLoop {
  readonly origin: string;
  readonly firstLook: Promise<void>;
  readonly #options: DirectoryOptions;
  readonly #signal: AbortSignal;
  readonly #onUp: (peer: Peer) => void;
  readonly #looked = Promise.withResolvers<void>();
  #peer: Peer | undefined;
  #wake = new AbortController();

  constructor(origin: string, options: DirectoryOptions, signal: AbortSignal, onUp: (peer: Peer) => void) {
    this.origin = origin;
    this.#options = options;
    this.#signal = signal;
    this.#onUp = onUp;
    this.firstLook = this.#looked.promise;
  }

  async run(): Promise<void> {
    for (let failures = 0; !this.#signal.aborted;) {
      const wasUp = this.#peer?.healthy === true;
      try {
        const peer = await this.#look();
        failures = 0;
        if (!wasUp) this.#onUp(peer);
      } catch (err) {
        if (this.#peer) this.#peer.healthy = false;
        if (failures++ === 0) this.#options.logger.warn({ err, peer: this.origin }, 'peer cannot be reached');
      }
      this.#looked.resolve();
      const retryMs = Math.min(firstRetryMs * 2 ** Math.min(failures, 10), maxRetryMs);
      await this.#pause(failures === 0 ? (this.#options.refreshMs ?? 15_000) : retryMs);
    }
    this.#looked.resolve();
  }

  /** Somebody found the peer unreachable: it is looked at again soon. */
  lookNow(): void {
    if (!this.#peer?.healthy) return;
    this.#peer.healthy = false;
    this.#wake.abort();
  }

  async #look(): Promise<Peer> {
    const startedAt = performance.now();
    const { token } = this.#options;
    if (this.#peer) await this.#peer.client.refresh();
    else {
      const client = await AgentClient.connect(this.origin, {
        connectTimeoutMs,
        ...(token === undefined ? {} : { token }),
      });
      this.#peer = new Peer(this.origin, client, 0);
    }
    this.#peer.latencyMs = performance.now() - startedAt;
    this.#peer.lastSeenAt = Date.now();
    this.#peer.healthy = true;
    return this.#peer;
  }

  async #pause(ms: number): Promise<void> {
    this.#wake = new AbortController();
    // Ended early by a wake-up or the end of the directory; both are fine.
    await sleep(ms, undefined, { signal: AbortSignal.any([this.#signal, this.#wake.signal]) }).catch(() => undefined);
  }
}
