/** A part of the text as it was received: `text.slice(start, end) === quote`. */
export interface Span {
  start: number;
  end: number;
  quote: string;
}

/** A character to search in, and the place of the received text it stands for. */
export interface Cell {
  readonly char: string;
  readonly start: number;
  readonly end: number;
  /** Whether the word was written in a way that hides it. */
  readonly disguised: boolean;
}

/** A text in lower case without accents, invisible characters and look-alikes, that remembers where everything stood. */
export interface PlainText {
  readonly original: string;
  readonly cells: readonly Cell[];
  /** The characters of the cells. */
  readonly text: string;
}

// Letters of other scripts, and signs, that look like Latin ones.
const lookAlikes: ReadonlyMap<string, string> = new Map(
  Object.entries({
    а: 'a',
    е: 'e',
    о: 'o',
    р: 'p',
    с: 'c',
    у: 'y',
    х: 'x',
    і: 'i',
    ј: 'j',
    ѕ: 's',
    к: 'k',
    т: 't',
    м: 'm',
    н: 'h',
    α: 'a',
    ε: 'e',
    ι: 'i',
    κ: 'k',
    ν: 'v',
    ο: 'o',
    ρ: 'p',
    τ: 't',
    υ: 'u',
    ı: 'i',
    ł: 'l',
    ø: 'o',
    ß: 'ss',
    '’': "'",
    '‘': "'",
    ʼ: "'",
    '“': '"',
    '”': '"',
    '„': '"',
    '«': '"',
    '»': '"',
    '‟': '"',
  }),
);

/** Makes a text searchable. */
export function toPlainText(original: string): PlainText {
  const cells: Cell[] = [];
  let start = 0;
  for (const symbol of original) {
    const end = start + symbol.length;
    // NFKD takes accents off and turns full-width and mathematical letters into plain ones.
    const visible = symbol
      .toLowerCase()
      .normalize('NFKD')
      .replaceAll(/[\p{M}\p{Cf}]/gu, '');
    const last = cells.at(-1);
    if (visible === '' && last) cells[cells.length - 1] = { ...last, end };
    for (const char of visible) {
      for (const plain of lookAlikes.get(char) ?? char) cells.push({ char: plain, start, end, disguised: false });
    }
    start = end;
  }
  return fromCells(original, cells);
}

/** A plain text of given cells; every cell is one UTF-16 code unit, so that indexes into both agree. */
export function fromCells(original: string, cells: readonly Cell[]): PlainText {
  const units = cells.flatMap((cell) =>
    cell.char.length === 1
      ? [cell]
      : Array.from({ length: cell.char.length }, (_, i) => ({ ...cell, char: cell.char[i] ?? '' })),
  );
  return { original, cells: units, text: units.map((cell) => cell.char).join('') };
}

/** Whether a word was written in a way that hides it from a search. */
export function isDisguised(plain: PlainText, from: number, to: number): boolean {
  if (plain.cells.slice(from, to).some((cell) => cell.disguised)) return true;
  const written = spanOf(plain, from, to).quote.toLowerCase().normalize('NFD').replaceAll(/\p{M}/gu, '');
  return written.replaceAll('’', "'") !== plain.text.slice(from, to);
}

/** The received text behind a range of a plain text. */
export function spanOf({ original, cells }: PlainText, from: number, to: number): Span {
  const start = cells[from]?.start ?? original.length;
  const end = Math.max(start, cells[to - 1]?.end ?? start);
  return { start, end, quote: original.slice(start, end) };
}
