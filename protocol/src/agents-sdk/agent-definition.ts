import {
  Agent,
  type AgentOutputType,
  type InputGuardrail,
  type MCPServer,
  type ModelSettings,
  type OutputGuardrail,
  type Tool,
} from '@openai/agents';
import type { z } from 'zod';
import type { ToolScope } from './mesh-tool.ts';

/** What makes an agent; its model and its output come with the run. */
export interface AgentDefinition {
  name: string;
  instructions: string;
  /** Made by `meshTool` where they act on anything or need a person's approval; any tool of the SDK otherwise. */
  tools?: Tool<ToolScope>[];
  /** Connected and closed by whoever passes them. */
  mcpServers?: MCPServer[];
  modelSettings?: ModelSettings;
  /** Checks of the input and of the output; one that trips fails the task with `GUARDRAIL_TRIPPED`. */
  inputGuardrails?: InputGuardrail[];
  outputGuardrails?: OutputGuardrail<AgentOutputType, ToolScope>[];
  /** Agents the work may be handed to; they answer in the same form. Names are unique over the whole tree. */
  handoffs?: readonly AgentDefinition[];
  /** What another agent reads before it hands over to this one. */
  handoffDescription?: string;
}

/** An agent of the SDK as runs use it. */
export type MeshAgent = Agent<ToolScope, AgentOutputType>;

/** The definition as an agent of the SDK. The same definition makes an equal agent in every process. */
export function toAgent(definition: AgentDefinition, outputType: z.ZodObject): MeshAgent {
  const { handoffs = [], ...options } = definition;
  return new Agent<ToolScope, AgentOutputType>({
    ...options,
    outputType,
    handoffs: handoffs.map((handoff) => toAgent(handoff, outputType)),
  });
}
