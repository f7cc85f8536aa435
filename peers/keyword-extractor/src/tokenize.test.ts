import { describe, expect, it } from 'vitest';
import { tokenize } from './tokenize.ts';

const wordsOf = (text: string) => tokenize(text).map((token) => token.word);

describe('tokenize', () => {
  it.each([
    ['keeps compounds together', 'state-of-the-art node.js e-mail', ['state-of-the-art', 'node.js', 'e-mail']],
    ['drops possessives', "The team's agents’ cards", ['the', 'team', 'agents', 'cards']],
    ['drops elided articles', "L'agent n’a qu'un mot", ['agent', 'a', 'un', 'mot']],
    ['knows any script', 'Привет, мир! Ελλάδα 東京', ['привет', 'мир', 'ελλάδα', '東京']],
    ['composes accents', 'cafe\u0301', ['caf\u00e9']],
    ['ignores punctuation and emoji', '— wow!!! 🎉 (ok)', ['wow', 'ok']],
    ['finds nothing where there is nothing', ' \n…', []],
  ])('%s', (_what, text, words) => {
    expect(wordsOf(text)).toEqual(words);
  });

  it('says where each word stands', () => {
    const text = "Über l'eau: naïve   cafés.";
    expect(tokenize(text).map(({ start, end }) => text.slice(start, end))).toEqual(['Über', 'eau', 'naïve', 'cafés']);
  });

  it('counts clauses and sentences', () => {
    const tokens = tokenize('One two, three. Four – five');
    expect(tokens.map((token) => token.clause)).toEqual([0, 0, 1, 2, 3]);
    expect(tokens.map((token) => token.sentence)).toEqual([0, 0, 0, 1, 1]);
  });

  it('takes a wrapped line for the same sentence, but not a paragraph or a list item', () => {
    expect(tokenize('one\n  two\n\nthree\n- four').map((token) => token.sentence)).toEqual([0, 0, 1, 2]);
  });
});
