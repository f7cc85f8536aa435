import { AgentCard, type AgentInterface } from '@a2a-js/sdk';
import { z } from 'zod';
import { MeshError } from '../mesh-error.ts';
import type { HttpClient } from './http-client.ts';
import { httpFailure } from './http-failure.ts';
import { parseJson } from './json.ts';
import { invalidReply } from './peer-error.ts';

const wellKnownPath = '/.well-known/agent-card.json';
const maxCardBytes = 1024 * 1024;

/** The parts of a card this client relies on; everything else is the card's own business. */
const CardShape = z.looseObject({
  name: z.string().min(1),
  supportedInterfaces: z
    .array(z.looseObject({ url: z.string().min(1), protocolBinding: z.string(), protocolVersion: z.string() }))
    .min(1),
  skills: z.array(z.looseObject({ id: z.string().min(1) })).default([]),
});

/** A card as it was fetched. */
export interface FetchedCard {
  card: AgentCard;
  url: string;
  etag: string | undefined;
}

/** Where the card of an agent stands: the URL itself if it names a document, else the well-known path of its origin. */
export function cardUrl(url: string): string {
  const parsed = new URL(url);
  return parsed.pathname.endsWith('.json') ? parsed.href : new URL(wellKnownPath, parsed.origin).href;
}

/**
 * Fetches a card, or returns `previous` where its ETag still holds (A2A specification, section 8.6). No credential is
 * sent: a card is public.
 */
export async function fetchCard(
  http: HttpClient,
  url: string,
  limits: { connectTimeoutMs: number; timeoutMs: number; signal?: AbortSignal | undefined },
  previous?: FetchedCard,
): Promise<FetchedCard> {
  const response = await http.fetch({
    method: 'GET',
    url,
    headers: {
      accept: 'application/json',
      'a2a-version': '1.0',
      ...(previous?.etag === undefined ? {} : { 'if-none-match': previous.etag }),
    },
    maxBodyBytes: maxCardBytes,
    ...limits,
  });
  if (response.status === 304 && previous) return previous;
  if (response.status !== 200) throw httpFailure(response);
  const json = parseJson(response.body);
  const shape = CardShape.safeParse(json);
  if (!shape.success) throw invalidReply('agent card', shape.error);
  return { card: AgentCard.fromJSON(json), url, etag: response.headers.etag };
}

/**
 * The interface to use: the first of the card, in the agent's order of preference, that this client speaks.
 * @throws MeshError `VERSION_NOT_SUPPORTED` when there is none.
 */
export function selectInterface(card: AgentCard): AgentInterface {
  const found = card.supportedInterfaces.find(
    ({ protocolBinding, protocolVersion, url }) =>
      (protocolBinding === 'JSONRPC' || protocolBinding === 'HTTP+JSON') &&
      /^1\.\d+/.test(protocolVersion) &&
      /^https?:\/\//.test(url),
  );
  if (found) return found;
  const offered = card.supportedInterfaces.map((each) => `${each.protocolBinding} ${each.protocolVersion}`).join(', ');
  throw new MeshError(
    'VERSION_NOT_SUPPORTED',
    `${card.name} speaks ${offered || 'nothing'}; needed is JSONRPC or HTTP+JSON 1.0`,
  );
}
