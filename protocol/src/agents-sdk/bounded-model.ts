import type { AgentOutputItem, Model, StreamEvent } from '@openai/agents';
import { MeshError } from '../mesh-error.ts';
import { isJson } from './parse-json.ts';

/** Everything in one answer as JSON: more than any model writes that is well. */
const maxChars = 500_000;
/** Tool calls of one answer: each may be a question to a person, and all of them run at once. */
const maxCalls = 32;

/**
 * A model whose answers have a beginning and an end: one that says nothing, is too long, or calls too many tools at once,
 * is an answer in a wrong form.
 */
export const boundedModel = (model: Model): Model => ({
  getResponse: async (request) => {
    const response = await model.getResponse(request);
    bound(response.output);
    return response;
  },
  async *getStreamedResponse(request) {
    let chars = 0;
    for await (const event of model.getStreamedResponse(request)) {
      if (event.type === 'output_text_delta' && (chars += event.delta.length) > maxChars) throw wrong('is too long');
      if (event.type === 'response_done') bound(event.response.output);
      yield event;
    }
  },
  getRetryAdvice: (request) => model.getRetryAdvice?.(request),
});

type OutputItem = AgentOutputItem | Extract<StreamEvent, { type: 'response_done' }>['response']['output'][number];

function bound(output: readonly OutputItem[]): void {
  // The SDK would ask the same again until all turns are used up.
  if (!output.some(saysSomething)) throw wrong('is empty');
  const calls = output.filter((item) => item.type === 'function_call');
  if (calls.length > maxCalls) throw wrong('calls too many tools at once');
  if (JSON.stringify(output).length > maxChars) throw wrong('is too long');
  for (const call of calls) call.arguments = readable(call.arguments);
}

function saysSomething(item: OutputItem): boolean {
  if (item.type === 'function_call' || item.type === 'reasoning') return true;
  if (!('content' in item) || !Array.isArray(item.content)) return false;
  return item.content.some((part) => part.type !== 'output_text' || part.text.trim() !== '');
}

/**
 * Arguments that are no JSON as the JSON of their text, which fits no tool: the model is told so. As they are, the SDK
 * would have a person approve them, whether the tool needs approval or not. Some models write none as an empty text.
 */
function readable(given: string): string {
  if (given.trim() === '') return '{}';
  return isJson(given) ? given : JSON.stringify(given);
}

const wrong = (what: string): MeshError =>
  new MeshError('INVALID_OUTPUT', `the answer of the model ${what}`, { retryable: true });
