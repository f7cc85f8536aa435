import { isMeshError, MeshError } from '@daca-mesh/protocol';
import { isLoopback } from '@daca-mesh/protocol/server';
import type { Signal } from '../store/signals.ts';
import { PeerLoop, type PeerLoopOptions } from './peer-loop.ts';
import type { Peer } from './peer.ts';

/**
 * Agents that are no peers of the mesh and are called by their URL. Whoever may start a run names the URL, so the
 * coordinator must not become a way into networks that only it can reach: it talks to origins the operator listed, and
 * to its own machine where it is reachable from there only. The same holds for the interface that a card points to. The
 * token of the mesh is never sent to them.
 */

/** Which of them may be called. */
export interface ForeignPolicy {
  /** Origins. */
  origins: readonly string[];
  /** Any agent on this machine: for a coordinator that listens on loopback only. */
  loopback: boolean;
}

const maxAgents = 256;
/** How long an agent is looked after that nobody asked for. */
const idleMs = 15 * 60_000;

interface Entry {
  loop: PeerLoop;
  peer: Peer | undefined;
  /** Why it must not be called, as its card shows. */
  refusal: MeshError | undefined;
  askedAt: number;
  stop: AbortController;
  running: Promise<void>;
}

export class ForeignAgents {
  readonly #policy: ForeignPolicy;
  readonly #options: Pick<PeerLoopOptions, 'logger' | 'refreshMs'>;
  readonly #signal: AbortSignal;
  readonly #up: Signal<Peer>;
  readonly #entries = new Map<string, Entry>();

  constructor(
    policy: ForeignPolicy,
    { logger, refreshMs }: Pick<PeerLoopOptions, 'logger' | 'refreshMs'>,
    signal: AbortSignal,
    up: Signal<Peer>,
  ) {
    this.#policy = policy;
    this.#options = { logger, refreshMs };
    this.#signal = signal;
    this.#up = up;
  }

  /**
   * The agent of a key, once its card is known; from now on it is looked for.
   * @throws MeshError `FORBIDDEN`, `RESOURCE_EXHAUSTED`; `VERSION_NOT_SUPPORTED` or `PEER_FAILED` by its card.
   */
  find(key: string): Peer | undefined {
    requireAllowed(key, this.#policy);
    const entry = this.#entries.get(key) ?? this.#follow(key);
    entry.askedAt = Date.now();
    if (entry.refusal) throw entry.refusal;
    return entry.peer;
  }

  /** The same for one that was called earlier: what is wrong with it now shows as an agent that is away. */
  at(key: string): Peer | undefined {
    try {
      return this.find(agentKey(key));
    } catch {
      return undefined;
    }
  }

  loopOf(key: string): PeerLoop | undefined {
    return this.#entries.get(key)?.loop;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ running }) => running));
  }

  #follow(key: string): Entry {
    this.#dropIdle();
    if (this.#entries.size >= maxAgents) {
      throw new MeshError('RESOURCE_EXHAUSTED', `more than ${maxAgents} agents are called by their URL`, {
        retryable: true,
      });
    }
    const stop = new AbortController();
    const checkUrl = (url: string): void => {
      entry.refusal = refusalOf(url, this.#policy);
      if (entry.refusal) throw entry.refusal;
    };
    const onFailure = (error: unknown): void => {
      // One that was an agent before may be one again.
      if (!entry.peer && isNoAgent(error)) entry.refusal = noAgent(key, error);
    };
    const loop = new PeerLoop(
      key,
      { ...this.#options, checkUrl, onFailure },
      AbortSignal.any([this.#signal, stop.signal]),
      (peer) => {
        entry.peer = peer;
        entry.refusal = undefined;
        this.#up.emit(peer);
      },
    );
    const entry: Entry = { loop, peer: undefined, refusal: undefined, askedAt: 0, stop, running: Promise.resolve() };
    this.#entries.set(key, entry);
    entry.running = loop.run();
    return entry;
  }

  #dropIdle(): void {
    for (const [key, { askedAt, stop }] of this.#entries) {
      if (Date.now() - askedAt < idleMs) continue;
      stop.abort();
      this.#entries.delete(key);
    }
  }
}

/**
 * What an agent is known by: the URL of its card, or its origin where the card stands at the well-known place.
 * @throws MeshError `INVALID_ARGUMENT`.
 */
export function agentKey(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isUsable = parsed && /^https?:$/u.test(parsed.protocol) && parsed.username === '' && parsed.password === '';
  if (!isUsable) {
    // Not the URL itself: it may hold a password.
    const shown = url.replace(/\/\/[^/]*@/u, '//').slice(0, 200);
    throw new MeshError(
      'INVALID_ARGUMENT',
      `an agent is named by an http or https URL without a password, not by ${shown}`,
    );
  }
  const isCard = parsed.pathname.endsWith('.json') && parsed.pathname !== wellKnownPath;
  return isCard ? `${parsed.origin}${parsed.pathname}${parsed.search}` : parsed.origin;
}

const wellKnownPath = '/.well-known/agent-card.json';

/** Whether what answered is none that speaks A2A 1.0, which waiting does not change. */
const isNoAgent = (error: unknown): error is MeshError =>
  isMeshError(error) &&
  (error.code === 'VERSION_NOT_SUPPORTED' || error.details?.['reason'] === 'INVALID_AGENT_RESPONSE');

const noAgent = (key: string, error: MeshError): MeshError =>
  new MeshError(error.code, `the agent at ${key} cannot be called by A2A 1.0: ${error.message}`, { cause: error });

/** @throws MeshError `FORBIDDEN`. */
export function requireAllowed(url: string, policy: ForeignPolicy): void {
  const refusal = refusalOf(url, policy);
  if (refusal) throw refusal;
}

/** Why an agent at a URL may not be called; undefined where it may. */
export function refusalOf(url: string, policy: ForeignPolicy): MeshError | undefined {
  const { origin, hostname } = new URL(url);
  if (policy.origins.includes(origin) || (policy.loopback && isLoopback(hostname))) return undefined;
  return new MeshError('FORBIDDEN', `agents at ${origin} may not be called: list the origin in MESH_ALLOW_AGENTS`, {
    details: { origin },
  });
}
