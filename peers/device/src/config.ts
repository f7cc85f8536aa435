import { type AgentConfig, agentEnvironment, parseEnvironment, toAgentConfig } from '@daca-mesh/protocol/server';
import { z } from 'zod';

const environment = agentEnvironment.extend({
  /** How many devices there are at least. */
  DEVICE_COUNT: z.coerce.number().int().min(0).max(100_000).default(6),
  /** How long a device takes to do what it is told. */
  DEVICE_COMMAND_MS: z.coerce.number().int().min(0).max(60_000).default(0),
  /** So often a device changes by itself; 0: never. */
  DEVICE_ACTIVITY: z.coerce.number().int().min(0).max(86_400_000).default(0),
  /** Decides which device that is, and how it changes. */
  DEVICE_SEED: z.coerce.number().int().default(1),
});

/** The settings of this agent. */
export interface Config extends AgentConfig {
  readonly card: string;
  readonly deviceCount: number;
  readonly commandMs: number;
  readonly activityMs: number;
  readonly activitySeed: number;
}

/** Parses the settings; throws with all problems together. */
export function parseConfig(variables: Record<string, string | undefined> = process.env): Config {
  const parsed = parseEnvironment(environment, variables);
  const config = toAgentConfig(parsed);
  return Object.freeze({
    ...config,
    card: config.card ?? 'device-light',
    deviceCount: parsed.DEVICE_COUNT,
    commandMs: parsed.DEVICE_COMMAND_MS,
    activityMs: parsed.DEVICE_ACTIVITY,
    activitySeed: parsed.DEVICE_SEED,
  });
}
