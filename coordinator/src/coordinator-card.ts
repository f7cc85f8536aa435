import { extensionUris } from '@daca-mesh/protocol';
import { z } from 'zod';
import { newestVersions } from './workflow-kit/versions.ts';
import type { WorkflowDefinition } from './workflow-kit/workflow.ts';

type CardSource = Pick<WorkflowDefinition, 'name' | 'version' | 'title' | 'description' | 'input' | 'output'>;

/**
 * The coordinator's card as `agent-cards/cards/coordinator.json` holds it: its skills are the workflows. `write-card.ts`
 * writes the file; a test keeps it equal.
 */
export function coordinatorCard(registered: readonly CardSource[]): Record<string, unknown> {
  const workflows = newestVersions(registered);
  return {
    name: 'coordinator',
    description:
      'Runs durable workflows over the agents of the mesh. Each skill is a workflow, each task one run of it; a task that needs a person waits in INPUT_REQUIRED.',
    version: '0.1.0',
    provider: { organization: 'daca-mesh', url: 'https://daca-mesh.example' },
    supportedInterfaces: [
      { url: '{origin}/a2a/jsonrpc', protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
      { url: '{origin}/a2a/rest', protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' },
    ],
    capabilities: {
      streaming: true,
      pushNotifications: false,
      extendedAgentCard: false,
      extensions: extensions(workflows),
    },
    defaultInputModes: ['application/json', 'text/plain'],
    defaultOutputModes: ['application/json', 'text/plain'],
    skills: workflows.map((workflow) => ({
      id: workflow.name,
      name: workflow.title,
      description: workflow.description,
      tags: ['workflow'],
      examples: examplesOf(workflow).map((input) => JSON.stringify({ skill: workflow.name, input })),
    })),
  };
}

function extensions(workflows: readonly CardSource[]): Record<string, unknown>[] {
  const schemas = Object.fromEntries(
    workflows.map(({ name, input, output }) => [
      name,
      { input: toJsonSchema(input, 'input'), output: toJsonSchema(output, 'output') },
    ]),
  );
  return [
    {
      uri: extensionUris.skill,
      description: "Choose a skill by metadata; the skills' JSON Schemas.",
      required: false,
      params: { schemas },
    },
    {
      uri: extensionUris.idempotency,
      description: 'A repeated message id is answered with the same task for this many days.',
      required: false,
      params: { windowDays: 90 },
    },
    {
      uri: extensionUris.linger,
      description: 'A non-blocking send may wait a little for a fast result.',
      required: false,
    },
    {
      uri: extensionUris.generation,
      description: 'Events and snapshots say which generation of the task they belong to.',
      required: false,
    },
    { uri: extensionUris.question, description: 'The open question behind INPUT_REQUIRED, as data.', required: false },
  ];
}

function toJsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  // The dialect is 2020-12 wherever a card speaks of schemas; the field would stop validators of older drafts.
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io });
  return json;
}

/** @throws TypeError when a workflow shows no input it accepts: its card could not tell how it is called. */
function examplesOf({ name, input }: CardSource): unknown[] {
  const examples = z.globalRegistry.get(input)?.examples;
  // `isArray` makes it any[]; what an example is, the schema below decides.
  const shown = Array.isArray(examples) ? (examples as unknown[]) : [];
  if (shown.length === 0) throw new TypeError(`the input schema of ${name} has no examples: add .meta({ examples })`);
  for (const example of shown) input.parse(example);
  return shown;
}
