import { expect, it } from 'vitest';
import { parseConfig } from './config.ts';

it('needs nothing: the folder is the one with sample data', () => {
  expect(parseConfig({})).toMatchObject({ database: undefined, otherServers: [], toolTimeoutMs: 15_000 });
  expect(parseConfig({}).folder).toMatch(/data-collector.data$/);
});

it.each([
  ['no JSON', '{'],
  ['no list', '{}'],
  ['a server that is nowhere', '[{"name":"x","tools":["a"]}]'],
  ['a server in two places', '[{"name":"x","tools":["a"],"url":"http://x","command":"x"}]'],
  ['a server without tools', '[{"name":"x","tools":[],"url":"http://x"}]'],
  ['the name of one of its own', '[{"name":"files","tools":["a"],"url":"http://x"}]'],
  ['a URL that is none', '[{"name":"x","tools":["a"],"url":"file:///etc/passwd"}]'],
])('refuses %s', (_what, servers) => {
  expect(() => parseConfig({ MCP_SERVERS: servers })).toThrow(/MCP_SERVERS/);
});
