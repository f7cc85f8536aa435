import { expect, it } from 'vitest';
import { compileSchema } from './compile-schema.ts';

it('gives the same validator for the same schema, and another for another one of the same $id', () => {
  const number = { $id: 'urn:mesh:answer', type: 'number' };
  const text = { $id: 'urn:mesh:answer', type: 'string', format: 'date' };
  expect(compileSchema({ ...number })).toBe(compileSchema(number));
  expect(compileSchema({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...number })(1)).toBe(true);
  expect([1, 'no date', '2026-11-22'].map((value) => compileSchema(text)(value))).toEqual([false, false, true]);
});

it('forgets those that were not asked for longest', () => {
  const [kept, forgotten] = [{ const: 'kept' }, { const: 'forgotten' }];
  const [first, second] = [compileSchema(kept), compileSchema(forgotten)];
  for (let number = 0; number < 200; number++) {
    compileSchema({ const: number });
    expect(compileSchema(kept)).toBe(first);
  }
  expect(compileSchema(forgotten)).not.toBe(second);
});

it('refuses what is no schema each time', () => {
  for (const [schema, message] of [
    [{ type: 'nothing' }, 'schema is invalid'],
    [{ $ref: 'https://example.com/other.json' }, "can't resolve reference"],
    [{ pattern: '(' }, 'Invalid regular expression'],
  ] as const) {
    expect(() => compileSchema(schema)).toThrow(message);
    expect(() => compileSchema(schema)).toThrow(message);
  }
});
