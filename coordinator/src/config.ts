import { type AgentConfig, agentEnvironment, parseEnvironment, toAgentConfig } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import { eventEnvironment, type EventSettings, toEventSettings } from './events/event-settings.ts';
import type { ModelEndpoint } from './health/check-model.ts';

/** The settings of the coordinator. */
export interface Config extends AgentConfig {
  /** Origins of the agents it may call, in order of preference. */
  readonly peers: readonly string[];
  /** Origins of agents outside the mesh that a run may name by their URL; those of this machine need not be listed. */
  readonly allowedAgents: readonly string[];
  /** Dapr's gRPC endpoint; without one the embedded sidecar runs in this process. */
  readonly daprEndpoint: string | undefined;
  /** Where the embedded sidecar serves Dapr's HTTP workflow API; 0 takes any free port, without one it does not. */
  readonly daprHttpPort: number | undefined;
  /** The model endpoint the agents use, to be watched; undefined for the offline model. */
  readonly model: ModelEndpoint | undefined;
  readonly events: EventSettings;
}

/** Origins separated by commas. */
const Origins = z
  .string()
  .default('')
  .transform((text) => text.split(/[\s,]+/u).filter((origin) => origin !== ''))
  .pipe(z.array(z.url({ protocol: /^https?$/u, error: 'must be http or https origins separated by commas' })))
  .transform((urls) => Object.freeze(urls.map((url) => new URL(url).origin)));

const Environment = agentEnvironment.extend({
  ...eventEnvironment,
  MESH_PEERS: Origins,
  MESH_ALLOW_AGENTS: Origins,
  /** Which engine runs the workflows: `embedded`, or `dapr` at DAPR_GRPC_ENDPOINT. */
  MESH_ENGINE: z.enum(['embedded', 'dapr']).optional(),
  DAPR_GRPC_ENDPOINT: z
    .string()
    .optional()
    .transform((text) => (text === '' ? undefined : text)),
  // Not DAPR_HTTP_PORT: `dapr run` sets that to the port of its own sidecar.
  MESH_DAPR_HTTP_PORT: agentEnvironment.shape.MESH_PORT.unwrap().optional(),
  OPENAI_API_KEY: z.string().optional(),
  OPENAI_BASE_URL: z.union([z.literal(''), z.url({ protocol: /^https?$/u })]).optional(),
  MESH_MODEL: z.string().optional(),
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
    peers: parsed.MESH_PEERS,
    allowedAgents: parsed.MESH_ALLOW_AGENTS,
    model: toModelEndpoint(parsed),
    events: toEventSettings(parsed),
    daprEndpoint: engine === 'embedded' ? undefined : endpoint,
    daprHttpPort: parsed.MESH_DAPR_HTTP_PORT,
  });
}

/** The endpoint that these settings make the agents use. */
function toModelEndpoint(settings: z.infer<typeof Environment>): ModelEndpoint | undefined {
  const { OPENAI_API_KEY: apiKey, OPENAI_BASE_URL: url, MESH_MODEL: wanted } = settings;
  if (wanted === 'offline' || (!apiKey && !url)) return undefined;
  return Object.freeze({ url: url || 'https://api.openai.com/v1', apiKey });
}

/** The settings of this process. */
export const readConfig = (): Config => parseConfig(process.env);
