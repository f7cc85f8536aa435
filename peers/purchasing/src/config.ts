import { type AgentConfig, parseAgentConfig } from '@daca-mesh/protocol/server';

/** The settings of this agent: those every agent has. */
export type Config = AgentConfig;

/** Parses the settings; throws with all problems together. */
export const parseConfig = (environment: Record<string, string | undefined> = process.env): Config =>
  parseAgentConfig(environment);
