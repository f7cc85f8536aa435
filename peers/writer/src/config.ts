import type { ModelEnvironment } from '@daca-mesh/protocol/agents-sdk';
import { type AgentConfig, agentEnvironment, parseEnvironment, toAgentConfig } from '@daca-mesh/protocol/server';
import { z } from 'zod';

const environment = agentEnvironment.extend({
  OPENAI_API_KEY: z.string().optional(),
  OPENAI_BASE_URL: z.union([z.literal(''), z.url({ protocol: /^https?$/u })]).optional(),
  /** The model's name, or `offline`. */
  MESH_MODEL: z.string().optional(),
  /** Milliseconds one call of the model may take. */
  MESH_MODEL_TIMEOUT: z.coerce.number().int().min(1).max(3_600_000).default(120_000),
});

/** The settings of this agent: those every agent has, and its model. */
export interface Config extends AgentConfig {
  readonly model: ModelEnvironment;
  readonly modelTimeoutMs: number;
}

/** Parses the settings; throws with all problems together. */
export function parseConfig(variables: Record<string, string | undefined> = process.env): Config {
  const parsed = parseEnvironment(environment, variables);
  const { OPENAI_API_KEY, OPENAI_BASE_URL, MESH_MODEL, MESH_MODEL_TIMEOUT } = parsed;
  return Object.freeze({
    ...toAgentConfig(parsed),
    model: { OPENAI_API_KEY, OPENAI_BASE_URL, MESH_MODEL },
    modelTimeoutMs: MESH_MODEL_TIMEOUT,
  });
}
