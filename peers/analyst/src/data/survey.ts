import type { Source } from '@daca-mesh/agent-cards';
import { computeAggregate } from './compute.ts';
import type { DataTable } from './data-table.ts';
import type { Figure, FigureBook } from './figure-book.ts';
import { formatNumber } from './format-number.ts';
import { type Aggregate, aggregate, cellsOf, numbersOf, rounded } from './statistics.ts';

/** Something that stands out, as a model may take it over or word it anew. */
export interface Candidate {
  statement: string;
  figures: string[];
  evidence: string[];
}

/** How much it stands out: 0 nothing, 1 very much; more where it is what was asked about. */
interface Scored {
  score: number;
  candidate: Candidate;
}

const maxCandidates = 8;

/** What stands out in tables and texts, the most striking first. `interest` is what the analysis is about. */
export function survey(
  tables: readonly DataTable[],
  texts: readonly Source[],
  interest: string,
  book: FigureBook,
): Candidate[] {
  const words = wordsOf(interest);
  const scored = [
    ...tables.flatMap((table) => surveyTable(table, words, book)),
    ...texts.flatMap((source) => quoteOf(source, words)),
  ];
  return scored
    .toSorted((a, b) => b.score - a.score)
    .slice(0, maxCandidates)
    .map(({ candidate }) => candidate);
}

const wordsOf = (text: string): Set<string> => new Set(text.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu));

function surveyTable(table: DataTable, words: ReadonlySet<string>, book: FigureBook): Scored[] {
  const measures = table.columns.filter((column) => isMeasure(table, column));
  const groups = table.columns.filter((column) => isGrouping(table, column, measures));
  const periods = table.columns.filter((column) => isPeriod(table, column));
  const rows = book.add('number of rows', table.rows.length, table);
  const found = [toScored(`${table.uri} has ${formatNumber(rows.value)} rows.`, [rows], table, 0.05)];
  for (const measure of measures) {
    for (const group of groups) found.push(...leader(table, measure, group, book));
    for (const period of periods) found.push(...trend(table, measure, period, book));
  }
  for (const each of found) each.score += relevance(each.candidate.statement, words);
  return found;
}

const relevance = (statement: string, words: ReadonlySet<string>): number =>
  [...wordsOf(statement)].filter((word) => words.has(word)).length;

/** The group with the most of something, and how far it is ahead of the others. */
function leader(table: DataTable, measure: string, group: string, book: FigureBook): Scored[] {
  const how = aggregateOf(measure);
  const figures = computeAggregate(table, { column: measure, how, groupBy: group }, book);
  const [first, ...others] = figures.toSorted((a, b) => b.value - a.value);
  const last = others.at(-1);
  if (!first || !last || first.value === last.value) return [];
  const statement =
    `By ${group}, the ${how} of ${measure} is highest for ${first.group} (${formatNumber(first.value)}) and lowest for ${last.group} ` +
    `(${formatNumber(last.value)}).`;
  const spread = (first.value - last.value) / (Math.abs(first.value) + Math.abs(last.value) || 1);
  return [toScored(statement, [first, last], table, spread)];
}

/** How a measure went from the first period to the last. */
function trend(table: DataTable, measure: string, period: string, book: FigureBook): Scored[] {
  const names = [...new Set((cellsOf(table, period) ?? []).map(String))].toSorted();
  const [from, to] = [names[0], names.at(-1)];
  if (from === undefined || to === undefined || from === to) return [];
  const how = aggregateOf(measure);
  const figures = computeAggregate(table, { column: measure, how, groupBy: period }, book);
  const at = (name: string): Figure | undefined => figures.find((each) => each.group === name);
  const [first, last] = [at(from), at(to)];
  if (!first || !last || first.value === 0 || first.value === last.value) return [];
  const percent = rounded(((last.value - first.value) / Math.abs(first.value)) * 100);
  if (!Number.isFinite(percent)) return [];
  const change = book.add(`change of ${how} of ${measure} from ${from} to ${to} in percent`, percent, table);
  const statement =
    `The ${how} of ${measure} ${percent > 0 ? 'rose' : 'fell'} by ${formatNumber(Math.abs(percent))} % from ${from} ` +
    `(${formatNumber(first.value)}) to ${to} (${formatNumber(last.value)}).`;
  return [toScored(statement, [change, first, last], table, Math.min(1, Math.abs(percent) / 100))];
}

/** The sentence of a text that has most to do with what is asked. */
function quoteOf({ uri, text = '' }: Source, words: ReadonlySet<string>): Scored[] {
  const plain = text.replaceAll(/^#+ .*$/gm, '').replaceAll(/\s+/g, ' ');
  const sentences = [...new Intl.Segmenter('en', { granularity: 'sentence' }).segment(plain)]
    .map(({ segment }) => segment.trim())
    .filter((sentence) => sentence.length >= 20 && sentence.length <= 400);
  const [best] = sentences
    .map((sentence) => ({ sentence, score: 0.3 + relevance(sentence, words) }))
    .toSorted((a, b) => b.score - a.score);
  if (!best) return [];
  return [
    { score: best.score, candidate: { statement: `${uri} says: “${best.sentence}”`, figures: [], evidence: [uri] } },
  ];
}

const toScored = (statement: string, figures: readonly Figure[], table: DataTable, score: number): Scored => ({
  score,
  candidate: {
    statement: table.truncated ? `${statement} (Of the first ${table.rows.length} rows.)` : statement,
    figures: figures.map(({ id }) => id),
    evidence: [table.uri],
  },
});

/** Shares, prices and durations do not add up to anything. */
const aggregateOf = (measure: string): Aggregate =>
  /share|rate|ratio|percent|price|mean|average|hours|days|minutes|age\b|score|temp/i.test(measure) ? 'mean' : 'sum';

function isMeasure(table: DataTable, column: string): boolean {
  const cells = cellsOf(table, column) ?? [];
  const numbers = numbersOf(cells);
  if (numbers.length < 2 || numbers.length < cells.filter((cell) => cell !== null).length) return false;
  const isCounter = numbers.every((number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1);
  return (
    !isCounter &&
    !/(?:^|_)(?:id|year|zip|code)$/i.test(column) &&
    aggregate(numbers, 'min') !== aggregate(numbers, 'max')
  );
}

function isGrouping(table: DataTable, column: string, measures: readonly string[]): boolean {
  if (measures.includes(column) || isPeriod(table, column)) return false;
  const cells = cellsOf(table, column) ?? [];
  const values = new Set(cells.filter((cell) => typeof cell === 'string'));
  return values.size >= 2 && values.size <= 12;
}

function isPeriod(table: DataTable, column: string): boolean {
  const cells = cellsOf(table, column) ?? [];
  return (
    cells.length > 1 && cells.every((cell) => typeof cell === 'string' && /^\d{4}-\d{2}(?:-\d{2})?(?:$|T)/.test(cell))
  );
}
