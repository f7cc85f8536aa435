import { createHash } from 'node:crypto';
import {
  type AssistantMessageItem,
  type FunctionCallItem,
  type Model,
  type ModelRequest,
  type ModelResponse,
  type StreamEvent,
  Usage,
} from '@openai/agents';
import { composeProse } from './prose.ts';
import { answeredTools, type Facts, inputTexts, requestFacts } from './request-facts.ts';
import { schemaInstance, toolArguments } from './schema-instance.ts';

/** The name results carry that were made without a language model. */
export const offlineModelName = 'offline';

type OutputItem = AssistantMessageItem | FunctionCallItem;

/**
 * A model without a model: deterministic, local and immediate, so that every agent works on a laptop without a key. It
 * follows the request only: it calls a tool where the tool choice or the instructions ask for one and its arguments are
 * given, fills the output schema from the input's facts, and writes plain prose where no schema is asked for.
 */
export class OfflineModel implements Model {
  async getResponse(request: ModelRequest): Promise<ModelResponse> {
    request.signal?.throwIfAborted();
    const item = respond(request);
    return { usage: usageOf(request, item), output: [item], responseId: responseId(request) };
  }

  async *getStreamedResponse(request: ModelRequest): AsyncIterable<StreamEvent> {
    request.signal?.throwIfAborted();
    const item = respond(request);
    yield { type: 'response_started' };
    for (const delta of deltasOf(textOfItem(item))) {
      request.signal?.throwIfAborted();
      yield { type: 'output_text_delta', delta };
    }
    const { requests, inputTokens, outputTokens, totalTokens } = usageOf(request, item);
    const usage = { requests, inputTokens, outputTokens, totalTokens };
    yield { type: 'response_done', response: { id: responseId(request), usage, output: [item] } };
  }
}

function respond(request: ModelRequest): OutputItem {
  const facts = requestFacts(request);
  const call = chooseToolCall(request, facts);
  if (call) return call;
  const text =
    request.outputType === 'text'
      ? composeProse(facts)
      : JSON.stringify(schemaInstance(request.outputType.schema, facts));
  return { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text }] };
}

function chooseToolCall(request: ModelRequest, facts: Facts): OutputItem | undefined {
  const { toolChoice } = request.modelSettings;
  if (toolChoice === 'none') return undefined;
  const answered = answeredTools(request);
  const named = new Set(request.systemInstructions?.split(/[^\w-]+/));
  for (const tool of request.tools) {
    if (tool.type !== 'function' || answered.has(tool.name)) continue;
    const forced = toolChoice === tool.name || (toolChoice === 'required' && answered.size === 0);
    if (!forced && !named.has(tool.name)) continue;
    const known = toolArguments(tool.parameters, facts);
    if (!known && !forced) continue;
    return {
      type: 'function_call',
      callId: `call-${responseId(request)}-${tool.name}`,
      name: tool.name,
      arguments: JSON.stringify(known ?? schemaInstance(tool.parameters, facts)),
      status: 'completed',
    };
  }
  return undefined;
}

function textOfItem(item: OutputItem): string {
  if (item.type === 'function_call') return '';
  return item.content.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
}

/** Pieces of a few words, as a model streams them; together they are the text. */
const deltasOf = (text: string): string[] => text.match(/(?:\S+\s*){1,4}|\s+/g) ?? [];

const responseId = (request: ModelRequest): string =>
  createHash('sha256')
    .update(JSON.stringify([request.systemInstructions, request.input]))
    .digest('hex')
    .slice(0, 24);

const countWords = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length;

/** Words stand in for tokens: a measure of size that is the same everywhere. */
function usageOf(request: ModelRequest, item: OutputItem): Usage {
  const inputTokens = countWords([request.systemInstructions ?? '', ...inputTexts(request)].join(' '));
  const outputTokens = countWords(textOfItem(item));
  return new Usage({ requests: 1, inputTokens, outputTokens, totalTokens: inputTokens + outputTokens });
}
