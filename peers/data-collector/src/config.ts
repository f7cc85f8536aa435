import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AgentConfig, agentEnvironment, parseEnvironment, toAgentConfig } from '@daca-mesh/protocol/server';
import { z } from 'zod';

/** An MCP server beside the two of this agent: a program to be started, or one that is reached over HTTP. */
const OtherServer = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]{0,40}$/u, 'must be lower case words joined by -'),
    command: z.string().min(1).optional(),
    args: z.array(z.string()).default([]),
    url: z.url({ protocol: /^https?$/u }).optional(),
    token: z.string().optional(),
    /** The tools that may be used. */
    tools: z.array(z.string().min(1)).min(1),
  })
  .refine(({ command, url }) => (command === undefined) !== (url === undefined), 'needs either command or url')
  .refine(({ name }) => name !== 'files' && name !== 'tables', 'the names files and tables are taken');
export type OtherServer = z.infer<typeof OtherServer>;

const environment = agentEnvironment.extend({
  /** The folder whose files may be read. */
  DATA_FOLDER: z
    .string()
    .min(1)
    .default(fileURLToPath(new URL('../data', import.meta.url))),
  /** The SQLite database whose tables may be read; one with sample data is made where none is named. */
  DATA_DATABASE: z.string().min(1).optional(),
  /** More MCP servers, as JSON. */
  MCP_SERVERS: z.string().default('[]').transform(parseJson).pipe(z.array(OtherServer).max(20)),
  /** Milliseconds one call of a tool may take. */
  MCP_TIMEOUT: z.coerce.number().int().min(1).max(600_000).default(15_000),
});

/** The settings of this agent. */
export interface Config extends AgentConfig {
  readonly folder: string;
  /** Undefined stands for the sample data. */
  readonly database: string | undefined;
  readonly otherServers: readonly OtherServer[];
  readonly toolTimeoutMs: number;
}

/** Parses the settings; throws with all problems together. */
export function parseConfig(variables: Record<string, string | undefined> = process.env): Config {
  const parsed = parseEnvironment(environment, variables);
  return Object.freeze({
    ...toAgentConfig(parsed),
    folder: resolve(parsed.DATA_FOLDER),
    database: parsed.DATA_DATABASE === undefined ? undefined : resolve(parsed.DATA_DATABASE),
    otherServers: Object.freeze(parsed.MCP_SERVERS),
    toolTimeoutMs: parsed.MCP_TIMEOUT,
  });
}

function parseJson(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'is not valid JSON' });
    return z.NEVER;
  }
}
