/** Words that say nothing about what a text is about. */
const empty = new Set(
  'a an and any are as at be been by can do does for from get has have how if in into is it its may must no not of on one or our should so such that the their them then there these they this to use used using value values was what when where which who will with you your'.split(
    ' ',
  ),
);

/** The words of a name or a text that carry meaning, lower case and without endings: `deviceIds` is `device`, `id`. */
export const wordsOf = (text: string): string[] =>
  text
    .replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '' && !empty.has(word))
    .map(stem);

const stem = (word: string): string =>
  word.length <= 3 ? word.replace(/^(id)s$/, '$1') : word.replace(/(?:ies|y)$/, 'i').replace(/(?:ing|ed|es|s|e)$/, '');

/** How many different words of `some` are in `others`. */
export const overlap = (some: Iterable<string>, others: ReadonlySet<string>): number =>
  [...new Set(some)].filter((word) => others.has(word)).length;

/** Whether a text contains a name as a word of its own, however it is capitalized. */
export const mentions = (text: string, name: string): boolean =>
  new RegExp(String.raw`(?<![\p{L}\p{N}_-])${escaped(name)}(?![\p{L}\p{N}_-])`, 'iu').test(text);

/** A text as a regular expression that matches it. */
export const escaped = (text: string): string => text.replaceAll(/[$()*+./?[\\\]^{|}]/g, String.raw`\$&`);
