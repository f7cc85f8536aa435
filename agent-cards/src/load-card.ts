import { AgentCard } from '@a2a-js/sdk';
import { readCardFile } from './card-file.ts';

/** How a card is completed. */
export interface LoadCardOptions {
  /** The origin the agent is reached at, such as `https://agents.example.org`; a server fills in its own. */
  url?: string;
}

const placeholderOrigin = 'http://127.0.0.1';

/**
 * A new copy of an agent's card. What depends on the process that serves it, its port and whether it demands a token,
 * is filled in by `createAgentServer`.
 * @throws MeshError as `readCardFile`.
 */
export function loadCard(name: string, options: LoadCardOptions = {}): AgentCard {
  const file = readCardFile(name);
  const origin = (options.url ?? placeholderOrigin).replace(/\/+$/, '');
  return AgentCard.fromJSON({
    ...file,
    supportedInterfaces: file.supportedInterfaces.map(({ url, protocolBinding, protocolVersion }) => ({
      url: url.replace('{origin}', origin),
      protocolBinding,
      protocolVersion,
    })),
  });
}
