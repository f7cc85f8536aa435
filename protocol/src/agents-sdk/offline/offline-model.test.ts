import type { ModelRequest } from '@openai/agents';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { collect } from '../../testing/collect.ts';
import { OfflineModel } from './offline-model.ts';

const model = new OfflineModel();

const request = (input: unknown, fields: Partial<ModelRequest> = {}): ModelRequest => ({
  input: [{ role: 'user', content: typeof input === 'string' ? input : JSON.stringify(input) }],
  modelSettings: {},
  tools: [],
  outputType: 'text',
  handoffs: [],
  tracing: false,
  ...fields,
});

const textFor = async (input: unknown, fields?: Partial<ModelRequest>): Promise<string> => {
  const { output } = await model.getResponse(request(input, fields));
  const [item] = output;
  return item?.type === 'message' && Array.isArray(item.content)
    ? item.content.map((part) => ('text' in part ? part.text : '')).join('')
    : '';
};

const schemaOf = (properties: Record<string, unknown>, required = Object.keys(properties)) => ({
  type: 'object' as const,
  properties,
  required,
  additionalProperties: false as const,
});

describe('the offline model', () => {
  it('writes about every term, in the tone and within the words it is given', async () => {
    const keywords = ['durable workflows', 'agents', 'idempotency'];
    const neutral = await textFor({ keywords, maxWords: 200 });
    for (const keyword of keywords) expect(neutral.toLowerCase()).toContain(keyword);
    const texts = await Promise.all(['neutral', 'friendly', 'formal'].map((tone) => textFor({ keywords, tone })));
    expect(new Set(texts).size).toBe(3);
    const many = Array.from({ length: 50 }, (_, index) => `term ${index} of a long list`);
    for (const maxWords of [5, 20, 60, 300]) {
      const text = await textFor({ keywords: many, maxWords });
      expect(text.split(/\s+/).length).toBeLessThanOrEqual(maxWords);
    }
  });

  it('takes a word limit from the instructions, too', async () => {
    const long = 'This sentence has exactly six words. '.repeat(40);
    const text = await textFor(long, { systemInstructions: 'Summarize in at most 12 words.' });
    expect(text).toBe('This sentence has exactly six words. This sentence has exactly six words.');
  });

  it('gives the same answer to the same request and another to another', async () => {
    const first = await textFor({ topic: 'tea', keywords: ['water', 'leaves'] });
    expect(await textFor({ topic: 'tea', keywords: ['water', 'leaves'] })).toBe(first);
    expect(await textFor({ topic: 'coffee', keywords: ['water', 'beans'] })).not.toBe(first);
  });

  it('streams the text it would return', async () => {
    const events = await collect(model.getStreamedResponse(request({ topic: 'tea' })));
    const deltas = events.map((event) => (event.type === 'output_text_delta' ? event.delta : ''));
    expect(deltas.join('')).toBe(await textFor({ topic: 'tea' }));
    expect(events.at(0)?.type).toBe('response_started');
    expect(events.at(-1)?.type).toBe('response_done');
  });

  it('stops at the signal', async () => {
    await expect(model.getResponse(request('x', { signal: AbortSignal.abort() }))).rejects.toThrow('aborted');
  });

  it('calls a forced tool once, with arguments that fit', async () => {
    const lookUp = {
      type: 'function' as const,
      name: 'look_up',
      description: '',
      parameters: schemaOf({ id: { type: 'string' }, depth: { type: 'integer', minimum: 2 } }),
      strict: true,
    };
    const forced = request({ id: 'a1' }, { tools: [lookUp], modelSettings: { toolChoice: 'required' } });
    const { output } = await model.getResponse(forced);
    expect(output).toMatchObject([{ type: 'function_call', name: 'look_up' }]);
    const [call] = output;
    expect(call?.type === 'function_call' && JSON.parse(call.arguments)).toEqual({ id: 'a1', depth: 2 });
    const unasked = await model.getResponse(request({ id: 'a1' }, { tools: [lookUp] }));
    expect(unasked.output[0]?.type).toBe('message');
  });
});

describe('the offline model with an output schema', () => {
  const ajv = new Ajv({ strict: false, formats: { 'date-time': true } });
  const schemas: Record<string, Record<string, unknown>> = {
    'a draft': { title: { type: 'string' }, text: { type: 'string' } },
    'a short heading': { headline: { type: 'string', maxLength: 20 }, note: { type: 'string', minLength: 2_000 } },
    'numbers and flags': {
      score: { type: 'number', minimum: 0.2, maximum: 1 },
      count: { type: 'integer', minimum: 3 },
      ok: { type: 'boolean' },
    },
    'lists of objects': {
      items: { type: 'array', minItems: 2, items: schemaOf({ name: { type: 'string' }, at: { type: 'integer' } }) },
    },
    'choices and nothing': {
      level: { enum: ['low', 'high'] },
      kind: { const: 'x' },
      maybe: { anyOf: [{ type: 'string' }, { type: 'null' }] },
      none: { type: ['string', 'null'] },
      when: { type: 'string', format: 'date-time' },
    },
    'terms as a list': { tags: { type: 'array', maxItems: 2, items: { type: 'string' } } },
  };

  it.each(Object.entries(schemas))('answers with a valid instance: %s', async (name, properties) => {
    const schema = schemaOf(properties);
    const validate = ajv.compile(schema);
    for (const input of [
      { topic: 'tea', keywords: ['water', 'leaves', 'time'] },
      'Plain text. Two sentences.',
      {},
      '',
    ]) {
      const text = await textFor(input, {
        // The SDK's type of a schema is narrower than JSON Schema.
        outputType: { type: 'json_schema', name: 'output', strict: true, schema: schema as never },
      });
      expect(validate(JSON.parse(text)), `${name}: ${ajv.errorsText(validate.errors)} in ${text}`).toBe(true);
    }
  });

  it('keeps a fact of the same name', async () => {
    const outputType = {
      type: 'json_schema' as const,
      name: 'output',
      strict: true,
      schema: schemaOf({ language: { type: 'string' }, level: { type: 'string', enum: ['low', 'high'] } }),
    };
    // The SDK's type of a schema is narrower than JSON Schema.
    const text = await textFor('Language: de\nLevel: high', { outputType: outputType as never });
    expect(JSON.parse(text)).toEqual({ language: 'de', level: 'high' });
  });
});
