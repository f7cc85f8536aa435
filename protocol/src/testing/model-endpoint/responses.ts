import { argumentsOf, piecesOf, type SpokenReply, type WireFormat } from './model-reply.ts';

/** OpenAI's Responses. */
export const responses: WireFormat = {
  toBody: (reply, model) => responseOf(model, 'completed', itemsOf(reply)),
  toEvents: (reply, model) => {
    const items = itemsOf(reply);
    const events = [
      { type: 'response.created', response: responseOf(model, 'in_progress', []) },
      ...items.flatMap((item, output_index) => itemEvents(reply, item, output_index)),
      { type: 'response.completed', response: responseOf(model, 'completed', items) },
    ];
    return events.map((event, sequence_number) => JSON.stringify(Object.assign(event, { sequence_number })));
  },
};

interface Item {
  id: string;
  type: string;
}

const responseOf = (model: unknown, status: string, output: readonly Item[]): object => ({
  id: 'resp_1',
  object: 'response',
  created_at: 0,
  status,
  model,
  output,
  error: null,
  incomplete_details: null,
  usage: {
    input_tokens: 11,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 7,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 18,
  },
});

function itemsOf(reply: SpokenReply): Item[] {
  if ('calls' in reply) {
    return reply.calls.map((call, index) => ({
      id: `fc_${index}`,
      type: 'function_call',
      status: 'completed',
      call_id: call.id,
      name: call.name,
      arguments: argumentsOf(call),
    }));
  }
  const message = { id: 'msg_1', type: 'message', status: 'completed', role: 'assistant', content: [partOf(reply)] };
  return [message];
}

const partOf = (reply: Exclude<SpokenReply, { calls: unknown }>): object =>
  'answer' in reply
    ? { type: 'output_text', text: reply.answer, annotations: [] }
    : { type: 'refusal', refusal: reply.refusal };

function itemEvents(reply: SpokenReply, item: Item, output_index: number): object[] {
  const place = { item_id: item.id, output_index, content_index: 0 };
  const added = { type: 'response.output_item.added', output_index, item };
  const done = { ...added, type: 'response.output_item.done' };
  return [added, ...deltasOf(reply).map((delta) => Object.assign(delta, place)), done];
}

function deltasOf(reply: SpokenReply): object[] {
  if ('calls' in reply) return [];
  if ('answer' in reply) {
    return piecesOf(reply.answer).map((delta) => ({ type: 'response.output_text.delta', delta, logprobs: [] }));
  }
  return piecesOf(reply.refusal).map((delta) => ({ type: 'response.refusal.delta', delta }));
}
