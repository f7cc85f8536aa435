import { argumentsOf, piecesOf, type SpokenReply, type WireFormat } from './model-reply.ts';

const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

/** OpenAI's Chat Completions, which every compatible endpoint speaks. */
export const chatCompletions: WireFormat = {
  toBody: (reply, model) => ({
    ...head('chat.completion', model),
    choices: [{ index: 0, message: { role: 'assistant', ...messageOf(reply) }, finish_reason: finishReason(reply) }],
    usage,
  }),
  toEvents: (reply, model) => {
    const chunk = (fields: object): string => JSON.stringify({ ...head('chat.completion.chunk', model), ...fields });
    return [
      ...deltasOf(reply).map((delta) =>
        chunk({ choices: [{ index: 0, delta: { role: 'assistant', ...delta }, finish_reason: null }] }),
      ),
      chunk({ choices: [{ index: 0, delta: {}, finish_reason: finishReason(reply) }] }),
      chunk({ choices: [], usage }),
      '[DONE]',
    ];
  },
};

const head = (object: string, model: unknown) => ({ id: 'chatcmpl-1', object, created: 0, model });

const finishReason = (reply: SpokenReply): string => ('calls' in reply ? 'tool_calls' : 'stop');

function messageOf(reply: SpokenReply): object {
  if ('answer' in reply) return { content: reply.answer, refusal: null };
  if ('refusal' in reply) return { content: null, refusal: reply.refusal };
  return { content: null, refusal: null, tool_calls: toolCalls(reply.calls) };
}

function deltasOf(reply: SpokenReply): object[] {
  if ('answer' in reply) return piecesOf(reply.answer).map((content) => ({ content }));
  if ('refusal' in reply) return piecesOf(reply.refusal).map((refusal) => ({ refusal }));
  return toolCalls(reply.calls).map((call, index) => ({ tool_calls: [{ index, ...call }] }));
}

const toolCalls = (calls: Extract<SpokenReply, { calls: unknown }>['calls']) =>
  calls.map((call) => ({
    id: call.id,
    type: 'function',
    function: { name: call.name, arguments: argumentsOf(call) },
  }));
