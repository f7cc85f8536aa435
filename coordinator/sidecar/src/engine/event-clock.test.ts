import { describe, expect, it } from 'vitest';
import { EventClock } from './event-clock.ts';

const MS = 1_790_000_000_000;

describe('EventClock', () => {
  it('gives every event a later time, though the clock stands still or is set back', () => {
    const clock = new EventClock();
    const nows = [MS, MS, MS, MS - 60_000, MS, MS + 1, MS + 1];
    const times = nows
      .map((now) => clock.next(now))
      .map(({ seconds, nanos }) => seconds * 1_000_000_000n + BigInt(nanos));
    expect(times).toEqual(times.toSorted((a, b) => Number(a - b)));
    expect(new Set(times).size).toBe(times.length);
    expect(times[5]).toBe(BigInt(MS + 1) * 1_000_000n);
  });

  it('runs on into the next millisecond after a million events in one', () => {
    const clock = new EventClock();
    for (let n = 0; n < 1_000_000; n += 1) clock.next(MS);
    expect(clock.next(MS)).toMatchObject({ nanos: 1_000_000 });
    expect(clock.next(MS + 1)).toMatchObject({ nanos: 1_000_001 });
  });
});
