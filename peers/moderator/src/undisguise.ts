import { type Cell, fromCells, type PlainText } from './plain-text.ts';

/**
 * Words are hidden from filters by digits and signs (`1d10t`), stars (`id*ot`), gaps (`i d i o t`) and repetition
 * (`idiooot`). A spelling is only undone where that gives a word of the vocabulary, so that `b2b` or `3d` stay.
 */

const signs: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '8': 'b',
  '@': 'a',
  $: 's',
  '!': 'i',
  '|': 'l',
  '+': 't',
};
const gapped = /(?<![a-z0-9@$])[a-z0-9@$!](?:[\s.\-_*]{1,2}[a-z0-9@$!|]){3,}(?![a-z0-9@$])/gu;
// What may stand within a word but not at its end is bounded: else a text of nothing else is read again from each of its signs.
const word = /[a-z0-9@$|+](?:[!|+_]{0,20}[a-z0-9@$*#])+/gu;
const minGappedLength = 4;

/** Undoes disguises of the words of a vocabulary. */
export function undisguise(plain: PlainText, vocabulary: ReadonlySet<string>): PlainText {
  const closed = replaceAll(plain, gapped, (cells) => closeGaps(cells, vocabulary));
  return replaceAll(closed, word, (cells) => {
    const spelled = textOf(cells);
    if (vocabulary.has(spelled)) return undefined;
    const found = respell(spelled, vocabulary);
    return found === undefined ? undefined : disguisedCells(found, cells);
  });
}

function respell(spelled: string, vocabulary: ReadonlySet<string>): string | undefined {
  const lettered = letters(spelled);
  for (const form of [lettered, squeeze(lettered, '$1$1'), squeeze(lettered, '$1')]) {
    if (vocabulary.has(form)) return form;
  }
  return /[*#_]/u.test(spelled) ? unmask(spelled, vocabulary) : undefined;
}

const letters = (spelled: string): string => spelled.replaceAll(/[^a-z]/gu, (sign) => signs[sign] ?? sign);
const squeeze = (spelled: string, replacement: string): string => spelled.replaceAll(/(.)\1{2,}/gu, replacement);

/** The one word that fits a masked one, if its first letter and at least half of it can be seen. */
function unmask(masked: string, vocabulary: ReadonlySet<string>): string | undefined {
  const visible = masked.replaceAll(/[*#_]/gu, '').length;
  if (visible * 2 < masked.length || !/^[a-z]/u.test(masked)) return undefined;
  const pattern = new RegExp(`^${masked.replaceAll(/[^a-z*#_]/gu, '').replaceAll(/[*#_]/gu, '[a-z]')}$`, 'u');
  const fitting = [...vocabulary].filter((candidate) => candidate.length === masked.length && pattern.test(candidate));
  return fitting.length === 1 ? fitting[0] : undefined;
}

/** Joins single letters where they spell a word; the letters around it stay apart. */
function closeGaps(cells: readonly Cell[], vocabulary: ReadonlySet<string>): Cell[] | undefined {
  const spelling = cells.filter(({ char }) => /[a-z0-9@$!|]/u.test(char));
  const joined = letters(textOf(spelling));
  let best = '';
  for (const candidate of vocabulary) {
    if (candidate.length >= minGappedLength && candidate.length > best.length && joined.includes(candidate))
      best = candidate;
  }
  if (best === '') return undefined;
  const at = joined.indexOf(best);
  const hidden = spelling.slice(at, at + best.length);
  const [first] = hidden;
  const last = hidden.at(-1);
  if (!first || !last) return undefined;
  return [
    ...cells.slice(0, cells.indexOf(first)),
    ...disguisedCells(best, hidden),
    ...cells.slice(cells.indexOf(last) + 1),
  ];
}

/** A word whose every letter stands for the whole of what was written. */
function disguisedCells(found: string, written: readonly Cell[]): Cell[] {
  const start = written[0]?.start ?? 0;
  const end = written.at(-1)?.end ?? start;
  return Array.from(found, (char) => ({ char, start, end, disguised: true }));
}

function replaceAll(
  plain: PlainText,
  pattern: RegExp,
  replace: (cells: readonly Cell[]) => readonly Cell[] | undefined,
): PlainText {
  const cells: Cell[] = [];
  let done = 0;
  for (const match of plain.text.matchAll(pattern)) {
    const end = match.index + match[0].length;
    const matched = plain.cells.slice(match.index, end);
    for (const cell of plain.cells.slice(done, match.index)) cells.push(cell);
    for (const cell of replace(matched) ?? matched) cells.push(cell);
    done = end;
  }
  for (const cell of plain.cells.slice(done)) cells.push(cell);
  return fromCells(plain.original, cells);
}

const textOf = (cells: readonly Cell[]): string => cells.map(({ char }) => char).join('');
