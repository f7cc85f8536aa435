import { describe, expect, it } from 'vitest';
import { type Duration, toMs } from './duration.ts';

describe('toMs', () => {
  it.each([
    [250, 250],
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    [0, 0],
  ] satisfies [Duration, number][])('reads %j', (duration, ms) => {
    expect(toMs(duration)).toBe(ms);
  });

  it.each(['', '5', 'm', '5 m', '-1s', 'NaNs', Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses %j', (duration) => {
    // What a plain JavaScript caller could pass.
    expect(() => toMs(duration as Duration)).toThrow(TypeError);
  });
});
