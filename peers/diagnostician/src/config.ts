import { type ModelConfig, modelEnvironment, toModelConfig } from '@daca-mesh/protocol/agents-sdk';
import { type AgentConfig, agentEnvironment, parseEnvironment, toAgentConfig } from '@daca-mesh/protocol/server';

/** The settings of this agent: those every agent has, and its model. */
export type Config = AgentConfig & ModelConfig;

/** Parses the settings; throws with all problems together. */
export function parseConfig(variables: Record<string, string | undefined> = process.env): Config {
  const parsed = parseEnvironment(agentEnvironment.extend(modelEnvironment), variables);
  return Object.freeze({ ...toAgentConfig(parsed), ...toModelConfig(parsed) });
}
