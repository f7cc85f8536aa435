import { join } from 'node:path';
import { AgentCard } from '@a2a-js/sdk';
import { pino } from 'pino';
import { z } from 'zod';
import { extensionUris } from '../extensions.ts';
import { createAgentServer, skill } from '../server/index.ts';
import { describePeerContract, type StartOptions } from './index.ts';

// An agent with what no shipped peer has alone: two skills that take the same input, and one that asks.
const Text = z.strictObject({ text: z.string().min(1) });
const Result = z.strictObject({ text: z.string() });
const Delivery = z.strictObject({ address: z.string().min(1) });

const schemas = {
  shout: { input: Text, output: Result },
  whisper: { input: Text, output: Result },
  deliver: { input: Delivery, output: Result },
};

const card = AgentCard.fromJSON({
  name: 'sample',
  description: 'Shouts, whispers and delivers after asking',
  version: '1.0.0',
  supportedInterfaces: ['JSONRPC', 'HTTP+JSON'].map((protocolBinding) => ({
    url: 'http://127.0.0.1',
    protocolBinding,
    protocolVersion: '1.0',
  })),
  capabilities: {
    streaming: true,
    extensions: [
      {
        uri: extensionUris.skill,
        params: {
          schemas: Object.fromEntries(
            Object.entries(schemas).map(([id, { input, output }]) => [
              id,
              { input: z.toJSONSchema(input), output: z.toJSONSchema(output) },
            ]),
          ),
        },
      },
      { uri: extensionUris.idempotency, params: { windowDays: 90 } },
      { uri: extensionUris.linger },
      { uri: extensionUris.generation },
      { uri: extensionUris.question },
    ],
  },
  defaultInputModes: ['application/json'],
  defaultOutputModes: ['application/json', 'text/plain'],
  skills: Object.keys(schemas).map((id) => ({ id, name: id, description: id, tags: ['sample'] })),
});

const start = ({ dataDir, token, env }: StartOptions) =>
  createAgentServer({
    card,
    logger: pino({ level: 'silent' }),
    database: { path: join(dataDir, 'store.db'), durability: 'normal' },
    skillDelaysMs: { '*': Number(env?.['MESH_SKILL_DELAY'] ?? 0) },
    ...(token === undefined ? {} : { token }),
    skills: {
      shout: skill(schemas.shout, async ({ input }) => ({ text: input.text.toUpperCase() })),
      whisper: skill(schemas.whisper, async ({ input }) => ({ text: input.text.toLowerCase() })),
      deliver: skill(schemas.deliver, async ({ input, task, resumed }) => {
        if (!resumed && input.address !== 'here') {
          await task.ask({ prompt: `Deliver to ${input.address}?`, actions: ['approve', 'reject'] });
        }
        return { text: resumed?.answer.action ?? 'kept' };
      }),
    },
  });

describePeerContract('an agent of three skills, one of which asks', {
  start,
  samples: {
    shout: { valid: { text: 'Hello' }, invalid: { text: '' } },
    whisper: { valid: { text: 'Hello' }, invalid: { text: 1 } },
    deliver: { valid: { address: 'here' }, invalid: {} },
  },
  question: { skill: 'deliver', input: { address: 'the moon' }, answer: { action: 'approve' } },
});
