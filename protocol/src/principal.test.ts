import { describe, expect, it } from 'vitest';
import { Principals, tokenDigest } from './principal.ts';

const ann = { name: 'ann', tokenSha256: tokenDigest('one'), roles: ['manager'] };
const bob = { name: 'bob', tokenSha256: tokenDigest('two'), roles: [] };
const problems = (list: unknown): string[] =>
  Principals.safeParse(list).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

describe('principals', () => {
  it('are people with the hash of a token, and roles', () => {
    expect(Principals.parse([ann, bob])).toEqual([ann, bob]);
    expect(Principals.parse([])).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ['no list', { ann }, ': '],
    ['a list of names', ['ann'], '0: '],
    ['a name that is none', [{ ...ann, name: 'a b' }], '0.name: '],
    ['an empty name', [{ ...ann, name: '' }], '0.name: '],
    ['a name of the mesh', [{ ...ann, name: 'Local' }], '0.name: is a name of the mesh itself'],
    ['the name of what is on the bus', [{ ...ann, name: 'event-bus' }], '0.name: is a name of the mesh itself'],
    [
      'a name in letters that look like others',
      [ann, { ...bob, name: 'ａｎｎ' }],
      '1.name: has letters that stand for',
    ],
    ['a name of the mesh in such letters', [{ ...ann, name: 'ｍｅｓｈ' }], '0.name: has letters that stand for'],
    ['a token instead of its hash', [{ ...ann, tokenSha256: 'secret' }], '0.tokenSha256: '],
    ['a hash in capitals', [{ ...ann, tokenSha256: ann.tokenSha256.toUpperCase() }], '0.tokenSha256: '],
    ['no roles', [{ name: 'ann', tokenSha256: ann.tokenSha256 }], '0.roles: '],
    ['a role of the wrong type', [{ ...ann, roles: [1] }], '0.roles.0: '],
    ['a field nobody knows', [{ ...ann, token: 'secret' }], '0: '],
    ['a name twice', [ann, { ...bob, name: 'Ann' }], '1.name: "Ann" is there twice'],
    ['a token twice', [ann, { ...bob, tokenSha256: ann.tokenSha256 }], '1.tokenSha256: is also that of ann'],
    ['a role that is a person', [ann, { ...bob, roles: ['ann'] }], '1.roles: "ann" is the name of a person'],
  ])('are not %s', (_what, list, problem) => {
    expect(problems(list)).toEqual([expect.stringContaining(problem)]);
  });

  it('tell everything that is wrong at once', () => {
    expect(
      problems([
        { ...ann, name: '' },
        { ...bob, tokenSha256: 'x' },
      ]),
    ).toHaveLength(2);
  });
});
