import { describe, expect, it } from 'vitest';
import { findReferences, resolveReferences } from './references.ts';

const outputs = new Map<string, unknown>([
  ['a', { list: [{ 'x/y': 1, '~': 2, '': 3 }], nothing: null, text: 'hello' }],
  ['b', 'plain'],
]);
const resolve = (value: unknown) => resolveReferences(value, 'input', outputs);
const ref = ($from: unknown, pointer?: unknown) => ({ $from, ...(pointer === undefined ? {} : { pointer }) });

describe('references', () => {
  it.each([
    [ref('b'), 'plain'],
    [ref('a', '/text'), 'hello'],
    [ref('a', '/list/0/x~1y'), 1],
    [ref('a', '/list/0/~0'), 2],
    [ref('a', '/list/0/'), 3],
    [ref('a', '/nothing'), null],
    [
      { deep: [{ in: ref('b') }], text: '$from b' },
      { deep: [{ in: 'plain' }], text: '$from b' },
    ],
  ])('%j stands for %j', (value, expected) => {
    expect(resolve(value)).toEqual(expected);
  });

  it.each([
    ref('a', '/missing'),
    ref('a', '/list/1'),
    ref('a', '/list/length'),
    ref('a', '/__proto__'),
    ref('a', '/text/0'),
    ref('c'),
  ])('%j leads nowhere', (value) => {
    expect(() => resolve({ at: [value] })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('input.at[0]') }),
    );
  });

  it('stand for so much at most, however often they stand', () => {
    const large = new Map([['large', 'x'.repeat(1_000_000)]]);
    const often = (times: number) => resolveReferences(Array(times).fill(ref('large')), 'input', large);
    expect(often(4)).toHaveLength(4);
    expect(() => often(5)).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE', message: expect.stringContaining('input[4]') }),
    );
  });

  it.each([ref(7), ref('a', 'list'), ref('a', 7), ref('a', '/~2'), ref('a', '/list/~'), { ...ref('a'), default: 1 }])(
    '%j is none',
    (value) => {
      expect(() => findReferences(value, 'input')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    },
  );

  it('are found wherever they stand', () => {
    expect(findReferences({ x: [ref('a', '/list/0')], y: ref('b') }, 'input')).toEqual([
      { at: 'input.x[0]', step: 'a', pointer: ['list', '0'] },
      { at: 'input.y', step: 'b', pointer: [] },
    ]);
  });
});
