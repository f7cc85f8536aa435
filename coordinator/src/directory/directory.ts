import { MeshError } from '@daca-mesh/protocol';
import type { Logger } from 'pino';
import { Signal } from '../store/signals.ts';
import type { CallRequest } from '../workflow-kit/contract.ts';
import { AnnouncedAgents } from './announced-agents.ts';
import { agentKey, ForeignAgents, type ForeignPolicy } from './foreign-agents.ts';
import { PeerLoop } from './peer-loop.ts';
import { type Peer, type PeerView, toPeerView } from './peer.ts';

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
  /** Which agents beside the peers may be called by their URL; by default none. */
  foreign?: ForeignPolicy;
}

export interface Directory {
  /** Begins to look; resolves when every peer has answered, or could not, once. */
  start(): Promise<void>;
  close(): Promise<void>;
  /**
   * The peer for a call: the first healthy one, in the configured order, else the first. Undefined while a peer that
   * might be the one is not known yet. @throws MeshError `SKILL_NOT_FOUND`, `PEER_NOT_FOUND`; for a URL `FORBIDDEN`,
   * `INVALID_ARGUMENT`, `RESOURCE_EXHAUSTED`, or that what is there is no agent of A2A 1.0.
   */
  choose(target: CallRequest['target']): Peer | undefined;
  /** The peer at a configured origin, or the agent that a run named by this URL, once its card is known. */
  at(origin: string): Peer | undefined;
  /** Whether it is the origin of a configured peer. */
  isConfigured(origin: string): boolean;
  /** Every configured peer, and every agent that announced itself. */
  list(): PeerView[];
  /** Agents that announce themselves come and go here. */
  readonly announced: Pick<AnnouncedAgents, 'here' | 'follows' | 'silent' | 'left'>;
  /** A call to a peer found it unreachable: it counts as down until it answers again. */
  reportDown(origin: string): void;
  /** A peer became known, or answers again. */
  readonly up: Signal<Peer>;
}

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
  const policy = options.foreign ?? { origins: [], loopback: false };
  const foreign = new ForeignAgents(policy, options, closing.signal, up);
  const announced = new AnnouncedAgents({ ...options, policy, configured: origins, signal: closing.signal, up });
  const configured = (): Peer[] => origins.flatMap((origin) => peers.get(origin) ?? []);
  const known = (): Peer[] => announced.join(configured());

  return {
    up,
    announced,
    start: async () => {
      for (const loop of loops) running.push(loop.run());
      await Promise.all(loops.map((loop) => loop.firstLook));
    },
    close: async () => {
      closing.abort();
      await Promise.all([...running, foreign.close(), announced.close()]);
    },
    choose: (target) => {
      if (!('url' in target)) return choosePeer(known(), target, peers.size < origins.length);
      const key = agentKey(target.url);
      return requireSkill(
        origins.includes(key) ? peers.get(key) : (announced.at(key) ?? foreign.find(key)),
        target.skill,
      );
    },
    at: (origin) =>
      peers.get(origin) ?? (origins.includes(origin) ? undefined : (announced.at(origin) ?? foreign.at(origin))),
    isConfigured: (origin) => origins.includes(origin),
    list: () => [
      ...origins.map((origin) => toPeerView(peers.get(origin), origin)),
      ...announced.origins.map((origin) => toPeerView(announced.at(origin), origin)),
    ],
    reportDown: (origin) => {
      const loop = loops.find((each) => each.origin === origin);
      (loop ?? announced.loopOf(origin) ?? foreign.loopOf(origin))?.lookNow();
    },
  };
}

function requireSkill(peer: Peer | undefined, skill: string | undefined): Peer | undefined {
  if (!peer || skill === undefined || peer.has(skill)) return peer;
  const skills = peer.client.card.skills.map(({ id }) => id);
  throw new MeshError('SKILL_NOT_FOUND', `${peer.name} has no skill "${skill}"`, { details: { skill, skills } });
}

function choosePeer(
  known: readonly Peer[],
  target: Exclude<CallRequest['target'], { url: string }>,
  moreToCome: boolean,
): Peer | undefined {
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
