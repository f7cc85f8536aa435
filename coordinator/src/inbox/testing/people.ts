import { tokenDigest } from '@daca-mesh/protocol';

/** Callers of tests: ann and bob are managers, eve has no role, oscar may do everything. */
export const people = {
  token: 'secret',
  principals: Object.entries({ ann: ['manager'], bob: ['manager'], eve: [], oscar: ['operator'] }).map(
    ([name, roles]) => ({ name, tokenSha256: tokenDigest(tokenOf(name)), roles }),
  ),
};

/** Each has a token of their own. */
export function tokenOf(name: string): string {
  return `the token of ${name}`;
}
