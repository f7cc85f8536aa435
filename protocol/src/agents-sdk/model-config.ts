import { z } from 'zod';
import type { ModelEnvironment } from './model-from-environment.ts';

/** The variables of an agent that asks a model: `agentEnvironment.extend(modelEnvironment)`. */
export const modelEnvironment = {
  OPENAI_API_KEY: z.string().optional(),
  OPENAI_BASE_URL: z.union([z.literal(''), z.url({ protocol: /^https?$/u })]).optional(),
  MESH_MODEL: z.string().optional(),
  MESH_MODEL_API: z.enum(['chat', 'responses']).optional(),
  /** Milliseconds one call of the model may take, all attempts together. */
  MESH_MODEL_TIMEOUT: z.coerce.number().int().min(1).max(3_600_000).default(120_000),
};

/** The settings of an agent that asks a model. */
export interface ModelConfig {
  readonly model: ModelEnvironment;
  readonly modelTimeoutMs: number;
}

/** The model's settings in a parsed environment. */
export function toModelConfig(parsed: ModelEnvironment & { MESH_MODEL_TIMEOUT: number }): ModelConfig {
  const { OPENAI_API_KEY, OPENAI_BASE_URL, MESH_MODEL, MESH_MODEL_API, MESH_MODEL_TIMEOUT } = parsed;
  return {
    model: { OPENAI_API_KEY, OPENAI_BASE_URL, MESH_MODEL, MESH_MODEL_API },
    modelTimeoutMs: MESH_MODEL_TIMEOUT,
  };
}
