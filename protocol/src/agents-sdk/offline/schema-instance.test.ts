import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { schemaInstance } from './schema-instance.ts';

type Schema = Record<string, unknown>;

/** A random number generator with a seed, so that a failure can be repeated. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const words = ['health', 'count', 'items', 'note', 'level', 'deviceId', 'title', 'done', 'kind', 'score'];

const patterns = [
  '^[A-Z]{3}-\\d{4,}$',
  '^(foo|bar)_[0-9a-f]+$',
  '^(?!a)[a-z]+$',
  'x',
  '^\\p{Lu}.*\\.$',
  '^[^a-z\\s]*$',
] as const;

/** A random schema of what structured outputs allow. */
function randomSchema(random: (below: number) => number, depth: number): Schema {
  const pick = <T>(list: readonly [T, ...T[]]): T => list[random(list.length)] ?? list[0];
  const inner = (): Schema => randomSchema(random, depth - 1);
  const object = (): Schema => {
    const names = words.slice(random(5), 5 + random(5));
    const required = names.filter(() => random(3) > 0);
    return {
      type: 'object',
      properties: Object.fromEntries(names.map((name) => [name, inner()])),
      required,
      additionalProperties: false,
    };
  };
  const low = random(20) - 10;
  const leaves: [() => Schema, ...(() => Schema)[]] = [
    () => ({ type: 'string' }),
    () => ({ type: 'string', minLength: random(10), maxLength: 10 + random(300) }),
    () => ({ type: 'string', minLength: 2 + random(9), pattern: pick(patterns) }),
    () => ({
      type: 'string',
      format: pick(['date', 'date-time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uri', 'uuid', 'time']),
    }),
    () => ({ type: 'number', exclusiveMinimum: low * 1e12, ...(random(2) && { exclusiveMaximum: low * 1e12 + 0.1 }) }),
    () => ({
      type: 'integer',
      allOf: [
        { minimum: low, maximum: low + 9 },
        { minimum: low - 5, maximum: low + 1 },
      ],
    }),
    () => ({ type: 'integer', minimum: low, maximum: low + random(30) }),
    () => ({ type: 'number', exclusiveMinimum: low, exclusiveMaximum: low + 1 + random(5) }),
    () => ({ type: 'integer', multipleOf: 1 + random(7), minimum: low }),
    () => ({ type: 'boolean' }),
    () => ({ type: 'null' }),
    () => ({ enum: ['ok', 'failed', 3, null].slice(random(3)) }),
    () => ({ const: pick<unknown>(['x', 1, true, null]) }),
    () => ({ type: [pick(['string', 'integer', 'boolean']), 'null'] }),
    () => ({ $ref: '#/$defs/leaf' }),
  ];
  if (depth === 0) return pick(leaves)();
  const branches: [() => Schema, ...(() => Schema)[]] = [
    object,
    object,
    () => ({ type: 'array', items: inner(), minItems: random(3), maxItems: 3 + random(5) }),
    () => ({ type: 'array', prefixItems: [inner(), inner()], items: inner(), minItems: 2 }),
    () => ({ anyOf: [inner(), { type: 'null' }] }),
    () => ({ anyOf: [inner(), inner()] }),
    () => ({ $ref: '#/$defs/node' }),
    () => ({ type: 'object', additionalProperties: inner() }),
    pick(leaves),
  ];
  return pick(branches)();
}

const factSets = [
  {},
  { text: 'A short text. Of two sentences.' },
  { health: 'failed', count: 7, items: ['a', 'b'], deviceId: 'lamp-1', done: true, kind: 'x', score: 0.5 },
  { health: 3, count: 'seven', items: [{ kind: 'x', count: 1 }, { kind: 'y' }], note: null, level: [], title: '' },
  {
    title: '😀'.repeat(40),
    note: 'é😀'.repeat(80),
    kind: '2024-02-30',
    level: 'FOO-12345',
    deviceId: 'foo_77',
    at: 'x',
  },
  { items: { a: 1 }, score: -1e9, count: 1e9, level: 'ok', title: 'x'.repeat(500), note: 'long '.repeat(100) },
];

const instanceOf = (properties: Schema, facts: object, rules: string[] = []): unknown =>
  schemaInstance(
    { type: 'object', properties, required: Object.keys(properties), additionalProperties: false },
    { facts: { ...facts }, texts: [], calls: [], rules },
  );

describe('schemaInstance', () => {
  it('fits any schema, whatever is known', () => {
    const ajv = addFormats.default(new Ajv2020({ strict: false }));
    let checked = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const random = seeded(seed);
      const schema: Schema = {
        ...randomSchema(random, 3),
        $defs: {
          leaf: { type: 'integer', minimum: 2 },
          node: {
            type: 'object',
            properties: { title: { type: 'string' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
            required: ['title', 'next'],
            additionalProperties: false,
          },
        },
      };
      const validate = ajv.compile(schema);
      for (const facts of factSets) {
        const value = schemaInstance(schema, { facts, texts: [], calls: [], rules: [] });
        expect(
          validate(JSON.parse(JSON.stringify(value))),
          `seed ${seed}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify({ schema, facts, value })}`,
        ).toBe(true);
        checked += 1;
      }
    }
    expect(checked).toBe(1_200);
  });

  it('ends with a schema that refers to itself only, or demands itself', () => {
    const node = { type: 'object', properties: { next: { $ref: '#/$defs/node' } }, required: ['next'] };
    const sources = { facts: {}, texts: [], calls: [], rules: [] };
    expect(schemaInstance({ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/a' } } }, sources)).toBeDefined();
    expect(schemaInstance({ $ref: '#/$defs/node', $defs: { node } }, sources)).toMatchObject({ next: {} });
  });

  it('takes facts over where they fit, however their names are spelt', () => {
    const properties = {
      device_id: { type: 'string' },
      amount: { type: 'number', maximum: 10 },
      tags: { type: 'array', items: { type: 'string' } },
      faults: {
        type: 'array',
        items: { type: 'object', properties: { type: { type: 'string' } }, required: ['type'] },
      },
      owner: { type: ['string', 'null'] },
    };
    const facts = { deviceId: 'l1', amount: 12, tags: ['a', 2, 'b'], faults: [{ type: 'stuck', since: 'now' }] };
    expect(instanceOf(properties, facts)).toEqual({
      device_id: 'l1',
      amount: 10,
      tags: ['a', 'b'],
      faults: [{ type: 'stuck' }],
      owner: null,
    });
  });

  it('takes a fact of the form that is asked for only', () => {
    const properties = {
      code: { type: 'string', pattern: '^[A-Z]{3}-\\d+$' },
      day: { type: 'string', format: 'date' },
    };
    expect(instanceOf(properties, { code: 'DEV-7', day: '2024-02-29' })).toEqual({ code: 'DEV-7', day: '2024-02-29' });
    expect(instanceOf(properties, { code: 'dev-7', day: '2024-02-30' })).toEqual({ code: 'AAA-0', day: '1970-01-01' });
  });

  it('knows tuples as older drafts write them', () => {
    const pair = {
      type: 'array',
      items: [{ type: 'string' }, { type: 'integer', minimum: 3 }],
      minItems: 2,
      maxItems: 2,
    };
    expect(instanceOf({ pair }, {})).toEqual({ pair: [expect.any(String), 3] });
  });

  it('chooses what the facts and the rules speak for', () => {
    const severity = { severity: { enum: ['low', 'medium', 'high'] } };
    const rules = ['Severity is high for leaking devices, and medium for noisy devices.'];
    expect(instanceOf(severity, { symptom: 'leaking' }, rules)).toEqual({ severity: 'high' });
    expect(instanceOf(severity, { symptom: 'noisy' }, rules)).toEqual({ severity: 'medium' });
    expect(instanceOf(severity, { symptom: 'noisy', urgency: 'low' }, rules)).toEqual({ severity: 'low' });
  });

  it('chooses the alternative that most facts fit', () => {
    const shape = {
      shape: {
        anyOf: ['circle', 'square'].map((kind) => ({
          type: 'object',
          properties: { kind: { const: kind }, size: { type: 'number' } },
          required: ['kind', 'size'],
        })),
      },
    };
    expect(instanceOf(shape, { kind: 'square', size: 2 })).toEqual({ shape: { kind: 'square', size: 2 } });
  });
});
