import { type Difference, differences } from './differences.ts';
import { rows } from './rows.ts';

const begin = '<!-- differences: written by test/engine/conformance/write-difference-table.ts -->';
const end = '<!-- end of differences -->';

/** The text with its table of differences brought up to date. */
export function withDifferenceTable(text: string): string {
  const [before, , after] = [...text.split(begin), undefined].flatMap((part) => part?.split(end) ?? []);
  if (before === undefined || after === undefined) throw new Error(`the text has no "${begin}" and "${end}"`);
  return `${before}${begin}\n${differenceTable()}\n${end}${after}`;
}

function differenceTable(): string {
  const order = Object.keys(rows);
  const all: Difference[] = Object.values(differences);
  const lines = all
    .toSorted((a, b) => order.indexOf(a.row) - order.indexOf(b.row))
    .map(({ row, what, embedded, daprd, reason, fixedIn }) => {
      const mark = fixedIn === undefined ? '' : ` **Wrong in 1.18.2, right from ${fixedIn} on.**`;
      return `| \`${row}\` | ${what} | ${embedded} | ${daprd} | ${reason}${mark} |`;
    });
  return ['| row | what | embedded | daprd 1.18.2 | reason |', '|---|---|---|---|---|', ...lines].join('\n');
}
