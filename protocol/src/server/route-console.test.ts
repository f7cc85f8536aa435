import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { routeConsole } from './route-console.ts';

const { log, info, debug, warn, error } = console;
afterEach(() => void Object.assign(console, { log, info, debug, warn, error }));

it('brings what libraries write to the console into the log, and cuts what is long', () => {
  const lines: string[] = [];
  routeConsole(pino({ base: null, timestamp: false }, { write: (line: string) => void lines.push(line) }));
  const { error: say } = console;
  say('From chunk:', `data: ${'private '.repeat(1_000)}`, new Error('broken'));
  const [line = ''] = lines;
  expect(JSON.parse(line)).toEqual({
    level: 50,
    source: 'console',
    values: ['From chunk:', expect.stringMatching(/^data: private .{1,200}…$/u), 'Error: broken'],
    msg: 'console output',
  });
  expect(line.length).toBeLessThan(400);
});
