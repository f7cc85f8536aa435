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
import { chooseCalls } from './choose-calls.ts';
import { type Conversation, readConversation } from './conversation.ts';
import { composeProse } from './prose.ts';
import { schemaInstance } from './schema-instance.ts';

/** The name results carry that were made without a language model. */
export const offlineModelName = 'offline';

type OutputItem = AssistantMessageItem | FunctionCallItem;

/**
 * A model without a model: deterministic, local and immediate, so that every agent works on a laptop without a key. It
 * follows the request and nothing else. It reads the order of work off the instructions, calls the tools they speak of
 * with arguments that the conversation holds, hands over where they say so, repeats nothing, and in the end fills the
 * output schema from what was gathered, or writes plain prose where no schema is asked for.
 */
export class OfflineModel implements Model {
  async getResponse(request: ModelRequest): Promise<ModelResponse> {
    request.signal?.throwIfAborted();
    const { output, usage, id } = respond(request);
    return { usage, output, responseId: id };
  }

  async *getStreamedResponse(request: ModelRequest): AsyncIterable<StreamEvent> {
    request.signal?.throwIfAborted();
    const { output, usage, id } = respond(request);
    yield { type: 'response_started' };
    for (const delta of deltasOf(output.map(textOfItem).join(''))) {
      request.signal?.throwIfAborted();
      yield { type: 'output_text_delta', delta };
    }
    const { requests, inputTokens, outputTokens, totalTokens } = usage;
    yield {
      type: 'response_done',
      response: { id, usage: { requests, inputTokens, outputTokens, totalTokens }, output },
    };
  }
}

function respond(request: ModelRequest): { output: OutputItem[]; usage: Usage; id: string } {
  const conversation = readConversation(request);
  const id = createHash('sha256')
    .update(JSON.stringify([request.systemInstructions, request.input]))
    .digest('hex')
    .slice(0, 24);
  const calls = chooseCalls(request, conversation).map(({ name, arguments: given }, index): OutputItem => ({
    type: 'function_call',
    callId: `call_${id}_${index}`,
    name,
    arguments: given,
    status: 'completed',
  }));
  const output = calls.length > 0 ? calls : [answer(request, conversation)];
  return { output, usage: usageOf(conversation, output), id };
}

function answer({ outputType }: ModelRequest, conversation: Conversation): OutputItem {
  const { facts, texts, calls, instructions } = conversation;
  const text =
    outputType === 'text'
      ? composeProse(facts, calls)
      : JSON.stringify(schemaInstance(outputType.schema, { facts, texts, calls, rules: [instructions] }));
  return { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text }] };
}

function textOfItem(item: OutputItem): string {
  if (item.type === 'function_call') return '';
  return item.content.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
}

/** Pieces of a few words, as a model streams them; together they are the text. */
const deltasOf = (text: string): string[] => text.match(/(?:\S+\s*){1,4}|\s+/g) ?? [];

const countWords = (texts: readonly string[]): number => texts.join(' ').split(/\s+/).filter(Boolean).length;

/** Words stand in for tokens: a measure of size that is the same everywhere. */
function usageOf({ instructions, texts }: Conversation, output: readonly OutputItem[]): Usage {
  const inputTokens = countWords([instructions, ...texts]);
  const outputTokens = countWords(
    output.map((item) => (item.type === 'function_call' ? item.arguments : textOfItem(item))),
  );
  return new Usage({ requests: 1, inputTokens, outputTokens, totalTokens: inputTokens + outputTokens });
}
