import { expect, it } from 'vitest';
import { tokenDigest } from '../principal.ts';
import { createCallers } from './callers.ts';

const ann = { name: 'ann', tokenSha256: tokenDigest("ann's"), roles: ['manager'] };

it('knows nobody where nobody has a token: everybody may do everything, under no proven name', () => {
  const callers = createCallers({});
  expect(callers.areKnown).toBe(false);
  expect(callers.authenticate('')).toBeUndefined();
  expect(callers.identify('local')).toEqual({ name: 'local', roles: ['operator'], authenticated: false });
  expect(callers.identify('mesh').authenticated).toBe(false);
});

it('knows the mesh by its token; what comes without one may still do everything', () => {
  const callers = createCallers({ token: 'secret' });
  expect(callers.areKnown).toBe(true);
  expect(callers.authenticate('secret')).toBe('mesh');
  expect(callers.authenticate('Secret')).toBeUndefined();
  expect(callers.identify('mesh')).toEqual({ name: 'mesh', roles: ['operator'], authenticated: true });
  expect(callers.identify('dapr')).toEqual({ name: 'dapr', roles: ['operator'], authenticated: false });
});

it('knows people by theirs, and then what comes without a token has no role', () => {
  const callers = createCallers({ token: 'secret', principals: [ann] });
  expect(callers.authenticate("ann's")).toBe('ann');
  expect(callers.authenticate('secret')).toBe('mesh');
  // Who knows the file has no token.
  expect(callers.authenticate(ann.tokenSha256)).toBeUndefined();
  expect(callers.identify('ann')).toEqual({ name: 'ann', roles: ['manager'], authenticated: true });
  for (const name of ['dapr', 'local', 'Ann']) {
    expect(callers.identify(name)).toEqual({ name, roles: [], authenticated: false });
  }
});

it('makes nobody an operator by taking the last person off the list', () => {
  const callers = createCallers({ token: 'secret', principals: [] });
  expect(callers.identify('dapr').roles).toEqual([]);
  expect(callers.identify('mesh').roles).toEqual(['operator']);
});
