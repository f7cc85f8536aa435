import { type AgentConfig, parseAgentConfig } from '@daca-mesh/protocol/server';

/** The settings of this agent: those every agent has, and which of the moderators it is. */
export interface Config extends AgentConfig {
  readonly card: string;
}

/** Parses the settings; throws with all problems together. */
export function parseConfig(environment: Record<string, string | undefined> = process.env): Config {
  const config = parseAgentConfig(environment);
  return Object.freeze({ ...config, card: config.card ?? 'moderator-toxicity' });
}
