import { describe, expect, it } from 'vitest';
import { numbersIn } from './format-number.ts';
import { aggregate, groupsOf } from './statistics.ts';

describe('aggregate', () => {
  it('adds without losing what is small beside what is large', () => {
    expect(aggregate([1e9, ...Array.from({ length: 1_000 }, () => 1e-6), -1e9], 'sum')).toBe(0.001);
    expect(aggregate([0.1, 0.2], 'sum')).toBe(0.3);
  });

  it('keeps large numbers as they are, and makes nothing of what is too large', () => {
    for (const large of [123_456_789_012_345, 4_503_599_627_370_495.5, 1.7e308])
      expect(aggregate([large], 'sum')).toBe(large);
    expect(aggregate([1e308, 1e308], 'mean')).toBeUndefined();
    expect(aggregate([1e308, 1e308], 'max')).toBe(1e308);
  });

  it('makes nothing of nothing, but counts it', () => {
    for (const how of ['sum', 'mean', 'min', 'max'] as const) expect(aggregate([], how)).toBeUndefined();
    expect(aggregate([], 'count')).toBe(0);
  });
});

it('groups by values that are there, and leaves out what is no number', () => {
  expect([...groupsOf(['a', 'b', null, 'a', 1], [1, 2, 3, 'x', 5])]).toEqual([
    ['a', [1]],
    ['b', [2]],
    ['1', [5]],
  ]);
});

it.each([
  ['1,234.50 and -7 of 12', [1234.5, -7, 12]],
  ['in 2025-12, f3 of v2', [2025, 12]],
  ['50% or 3.5%', [50, 3.5]],
  ['no number', []],
])('finds the numbers of %j', (text, values) => {
  expect(numbersIn(text).map(({ value }) => value)).toEqual(values);
});
