import { type AgentConfig, agentEnvironment, parseEnvironment, toAgentConfig } from '@daca-mesh/protocol/server';
import { z } from 'zod';

/** The settings of the coordinator. */
export interface Config extends AgentConfig {
  /** Origins of the agents it may call, in order of preference. */
  readonly peers: readonly string[];
  /** Dapr's gRPC endpoint; without one the embedded sidecar runs in this process. */
  readonly daprEndpoint: string | undefined;
}

const Environment = agentEnvironment.extend({
  /** Origins separated by commas. */
  MESH_PEERS: z
    .string()
    .default('')
    .transform((text) => text.split(/[\s,]+/u).filter((origin) => origin !== ''))
    .pipe(z.array(z.url({ protocol: /^https?$/u, error: 'must be http or https origins separated by commas' }))),
  /** Which engine runs the workflows: `embedded`, or `dapr` at DAPR_GRPC_ENDPOINT. */
  MESH_ENGINE: z.enum(['embedded', 'dapr']).optional(),
  DAPR_GRPC_ENDPOINT: z
    .string()
    .optional()
    .transform((text) => (text === '' ? undefined : text)),
});

/**
 * Parses the settings of the coordinator out of an environment; the result is frozen.
 * @throws TypeError that names every variable in error.
 */
export function parseConfig(environment: Record<string, string | undefined>): Config {
  const parsed = parseEnvironment(Environment, environment);
  const { MESH_ENGINE: engine, DAPR_GRPC_ENDPOINT: endpoint } = parsed;
  if (engine === 'dapr' && endpoint === undefined) {
    throw new TypeError('the environment is not valid\n  DAPR_GRPC_ENDPOINT: is needed when MESH_ENGINE is dapr');
  }
  return Object.freeze({
    ...toAgentConfig(parsed),
    card: 'coordinator',
    peers: Object.freeze(parsed.MESH_PEERS.map((url) => new URL(url).origin)),
    daprEndpoint: engine === 'embedded' ? undefined : endpoint,
  });
}

/** The settings of this process. */
export const readConfig = (): Config => parseConfig(process.env);
