import { AgentCard } from '@a2a-js/sdk';
import { extensionUris } from '@daca-mesh/protocol';

/** The card of a test's agent that has one skill. */
export const workerCard = (skill: { id: string; name: string; description: string }): AgentCard =>
  AgentCard.fromJSON({
    name: 'worker',
    description: skill.description,
    version: '1.0.0',
    supportedInterfaces: [{ url: 'http://127.0.0.1', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: {
      streaming: true,
      extensions: (['skill', 'idempotency', 'linger', 'generation', 'question'] as const).map((name) => ({
        uri: extensionUris[name],
      })),
    },
    defaultInputModes: ['application/json'],
    defaultOutputModes: ['application/json'],
    skills: [{ ...skill, tags: ['test'] }],
  });
