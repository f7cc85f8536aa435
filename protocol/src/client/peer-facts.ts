import type { AgentCard } from '@a2a-js/sdk';
import { extensionUris } from '../extensions.ts';
import type { Binding } from './binding.ts';
import { selectInterface } from './card-source.ts';
import { jsonRpcBinding } from './json-rpc-binding.ts';
import { restBinding } from './rest-binding.ts';

/** Everything a call needs to know about a peer, read from its card once. */
export interface PeerFacts {
  /** The base URL of the chosen interface. */
  url: string;
  binding: Binding;
  /** Echoed in every request (A2A specification, section 8.3.2). */
  tenant: string;
  streaming: boolean;
  /** The mesh's extensions the card announces. */
  extensions: ReadonlySet<string>;
  /** Whether a repeated message is recognized, so that a send may be repeated. */
  idempotent: boolean;
  /** Whether messages may carry JSON; else everything is said in text. */
  acceptsData: boolean;
  /** Headers of every request. */
  headers: Record<string, string>;
}

/** A bearer token, and the origins it may be sent to. */
export interface Credential {
  token: string;
  origins: readonly string[];
}

const ourUris: readonly string[] = Object.values(extensionUris);

/** Reads a card. @throws MeshError `VERSION_NOT_SUPPORTED` when no interface suits. */
export function readPeerFacts(card: AgentCard, credential: Credential | undefined): PeerFacts {
  const { url, protocolBinding, tenant } = selectInterface(card);
  const announced = new Set((card.capabilities?.extensions ?? []).map(({ uri }) => uri));
  const extensions = new Set(ourUris.filter((uri) => announced.has(uri)));
  const modes = card.defaultInputModes;
  const authorized = credential?.origins.includes(new URL(url).origin);
  return {
    url,
    binding: protocolBinding === 'JSONRPC' ? jsonRpcBinding(url) : restBinding(url),
    tenant,
    streaming: card.capabilities?.streaming === true,
    extensions,
    idempotent: extensions.has(extensionUris.idempotency),
    acceptsData: modes.length === 0 || modes.some((mode) => mode.includes('json') || mode.startsWith('*')),
    headers: {
      'content-type': 'application/json',
      'a2a-version': '1.0',
      ...(extensions.size === 0 ? {} : { 'a2a-extensions': [...extensions].join(', ') }),
      ...(authorized ? { authorization: `Bearer ${credential?.token}` } : {}),
    },
  };
}
