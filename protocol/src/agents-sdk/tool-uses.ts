import type { AgentInputItem } from '@openai/agents';
import type { Decisions } from './decisions.ts';
import { parseJson } from './parse-json.ts';

/** One call of a tool in a run that has ended. */
export interface ToolUse {
  tool: string;
  callId: string;
  /** Those it ran with: a person's, where they were edited. */
  arguments: unknown;
  /** What the model was told; a rejection or an error, too. */
  result?: unknown;
  /** What a person decided; absent where nobody was asked. */
  decision?: Decisions[string];
}

/** The tool calls in the history of a run. */
export function toolUses(history: readonly AgentInputItem[], decisions: Decisions): ToolUse[] {
  const results = new Map(
    history.flatMap((item) => (item.type === 'function_call_result' ? [[item.callId, item.output] as const] : [])),
  );
  return history.flatMap((item) => {
    if (item.type !== 'function_call') return [];
    const decision = decisions[item.callId];
    const use = { tool: item.name, callId: item.callId, arguments: decision?.arguments ?? parseJson(item.arguments) };
    return [
      {
        ...use,
        ...(results.has(item.callId) && { result: toolResult(results.get(item.callId)) }),
        ...(decision && { decision }),
      },
    ];
  });
}

function toolResult(output: unknown): unknown {
  const part: unknown = Array.isArray(output) ? output[0] : output;
  const isText = typeof part === 'object' && part !== null && 'text' in part;
  return parseJson(isText ? part.text : part);
}
