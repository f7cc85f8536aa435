import { expect, it } from 'vitest';
import { growingString } from './growing-string.ts';

it('reads a property at every length of the text, and only ever grows', () => {
  const value = 'Say "hi" to Ünal \\ and 😀\nbye';
  const json = JSON.stringify({ title: 'T', text: value, model: 'm' }).replace('Ü', '\\u00dc');
  let last = '';
  for (let length = 0; length <= json.length; length++) {
    const now = growingString(json.slice(0, length), 'text') ?? '';
    expect(value.startsWith(now)).toBe(true);
    expect(now.length).toBeGreaterThanOrEqual(last.length);
    last = now;
  }
  expect(last).toBe(value);
});

it('knows nothing of a property that has not begun', () => {
  expect(growingString('{"title":"text"', 'text')).toBeUndefined();
  expect(growingString('{"text":', 'text')).toBeUndefined();
});
