import { describe, expect, it } from 'vitest';
import { EventNumbers } from './event-numbers.ts';

describe('EventNumbers', () => {
  it('takes each number once, in any order, and moves its mark over what is complete', () => {
    const numbers = new EventNumbers({ below: 1, above: [] });
    expect([3, 1, 3, 1, 5].map((n) => numbers.add(n))).toEqual([true, true, false, false, true]);
    expect(numbers.snapshot()).toEqual({ below: 2, above: [3, 5] });
    expect(numbers.add(2)).toBe(true);
    expect(numbers.snapshot()).toEqual({ below: 4, above: [5] });
  });

  it('goes on from a snapshot', () => {
    const numbers = new EventNumbers({ below: 4, above: [5, 4] });
    expect(numbers.snapshot()).toEqual({ below: 6, above: [] });
    expect(numbers.add(5)).toBe(false);
    expect(numbers.add(6)).toBe(true);
  });

  it('counts from 1', () => {
    const numbers = new EventNumbers({ below: 0, above: [] });
    expect(numbers.add(1)).toBe(true);
    expect(numbers.snapshot()).toEqual({ below: 2, above: [] });
  });
});
