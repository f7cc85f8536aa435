import { AgentCard } from '@a2a-js/sdk';
import { describePeerContract } from '@daca-mesh/protocol/testing';
import { pino } from 'pino';
import { z } from 'zod';
import { parseConfig } from '../src/config.ts';
import { coordinatorCard } from '../src/coordinator-card.ts';
import { createServer } from '../src/server.ts';
import { defineWorkflow } from '../src/workflow-kit/workflow.ts';

/** Needs no agent, so that what is tested is the coordinator: it answers at once, after a while, or after a question. */
const echo = defineWorkflow({
  name: 'echo',
  version: 1,
  description: 'Gives the text back.',
  input: z
    .strictObject({ text: z.string().min(1), napMs: z.int().min(1).optional(), ask: z.boolean().optional() })
    .meta({ examples: [{ text: 'hello' }] }),
  output: z.strictObject({ text: z.string() }),
  async *run(mesh, { text, napMs, ask }) {
    if (napMs !== undefined) yield* mesh.sleep(`${napMs}ms`);
    if (ask) yield* mesh.ask({ prompt: `Give "${text}" back?` });
    return { text };
  },
});

describePeerContract('coordinator', {
  start: ({ dataDir, token, env }) => {
    const config = parseConfig({
      MESH_LOG_LEVEL: 'silent',
      MESH_DURABILITY: 'normal',
      ...env,
      MESH_DATA: dataDir,
      MESH_TOKEN: token,
    });
    const card = AgentCard.fromJSON(coordinatorCard([echo]));
    return createServer(config, pino({ level: config.logLevel }), { workflows: [echo], card });
  },
  samples: { echo: { valid: { text: 'hello' }, invalid: { text: 5 } } },
  question: { skill: 'echo', input: { text: 'hello', ask: true }, answer: { action: 'approve' } },
  slow: { skill: 'echo', input: { text: 'hello', napMs: 1_500 }, env: {} },
});
