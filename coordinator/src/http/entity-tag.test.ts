import { expect, it } from 'vitest';
import { isKnown } from './entity-tag.ts';

it.each([
  [undefined, false],
  ['"a"', true],
  ['W/"a"', true],
  ['"b", "a"', true],
  ['*', true],
  ['"b"', false],
  ['a', false],
  ['', false],
])('a client that has %j has "a": %s', (ifNoneMatch, known) => {
  expect(isKnown(ifNoneMatch, '"a"')).toBe(known);
});
