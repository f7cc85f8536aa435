import { type ModelConfig, modelEnvironment, toModelConfig } from '@daca-mesh/protocol/agents-sdk';
import { type AgentConfig, agentEnvironment, parseEnvironment, toAgentConfig } from '@daca-mesh/protocol/server';
import { z } from 'zod';

const environment = agentEnvironment.extend({
  ...modelEnvironment,
  /** Origins separated by commas. @NOTE the coordinator reads the same variable (coordinator/src/config.ts). */
  MESH_PEERS: z
    .string()
    .default('')
    .transform((text) => text.split(/[\s,]+/u).filter((origin) => origin !== ''))
    .pipe(z.array(z.url({ protocol: /^https?$/u, error: 'must be http or https origins separated by commas' }))),
  /** Milliseconds a device's agent may take, all attempts together. */
  MESH_DEVICE_TIMEOUT: z.coerce.number().int().min(1).max(3_600_000).default(60_000),
});

/** The settings of this agent: those every agent has, its model, and whom it may call. */
export interface Config extends AgentConfig, ModelConfig {
  /** Origins among which the agents of devices are looked for. */
  readonly peers: readonly string[];
  readonly deviceTimeoutMs: number;
}

/** Parses the settings; throws with all problems together. */
export function parseConfig(variables: Record<string, string | undefined> = process.env): Config {
  const parsed = parseEnvironment(environment, variables);
  return Object.freeze({
    ...toAgentConfig(parsed),
    ...toModelConfig(parsed),
    peers: Object.freeze(parsed.MESH_PEERS.map((url) => new URL(url).origin)),
    deviceTimeoutMs: parsed.MESH_DEVICE_TIMEOUT,
  });
}
