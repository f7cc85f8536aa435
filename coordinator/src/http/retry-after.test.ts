import { expect, it } from 'vitest';
import { retryAfterSeconds } from './retry-after.ts';

const createdAt = '2026-01-01T00:00:00.000Z';
const after = (seconds: number, status: Parameters<typeof retryAfterSeconds>[0]['status'], percent?: number) =>
  retryAfterSeconds(
    { status, createdAt, ...(percent === undefined ? {} : { progress: { message: 'x', percent } }) },
    Date.parse(createdAt) + seconds * 1_000,
  );

it.each([
  ['a fresh run is looked at again soon', 0, undefined, 1],
  ['an older one later', 40, undefined, 10],
  ['a very old one at last every half minute', 86_400, undefined, 30],
  ['one that is nearly done sooner', 40, 80, 3],
  ['one that has hardly begun later', 40, 10, 30],
  ['one that is done but for its end at once', 600, 100, 1],
  ['a percentage that is none does no harm', 40, 250, 1],
  ['nor does a clock that went back', -10, undefined, 1],
])('%s', (_what, seconds, percent, expected) => {
  expect(after(seconds, 'running', percent)).toBe(expected);
});

it.each(['waiting', 'suspended', 'stalled'] as const)('one that is %s waits for a person', (status) => {
  expect(after(1, status, 99)).toBe(60);
});

it.each(['completed', 'failed', 'canceled'] as const)('one that is %s is not looked at again', (status) => {
  expect(after(1, status)).toBeUndefined();
});
