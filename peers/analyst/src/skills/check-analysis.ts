import type { SkillMap } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { FigureBook } from '../data/figure-book.ts';
import { numbersIn } from '../data/format-number.ts';

type Output = SkillMap['analyze-data']['output'];
type Input = SkillMap['analyze-data']['input'];

/** What the model answers: it names figures by their ids and writes no numbers of its own. */
export const Analysis = z.strictObject({
  title: z.string(),
  summary: z.string(),
  findings: z.array(
    z.strictObject({
      statement: z.string(),
      evidence: z.array(z.string()).describe('URIs of sources'),
      figures: z.array(z.string()).describe('ids of figures'),
    }),
  ),
});
export type Analysis = z.infer<typeof Analysis>;

/**
 * Makes the result of what the model answered, with the figures it named. A number that nobody computed and that stands
 * in no source, or evidence that was not given, makes the whole answer worthless.
 * @throws MeshError `INVALID_OUTPUT`, retryable: a model may do better the next time.
 */
export function checkAnalysis(analysis: Analysis, input: Input, book: FigureBook): Omit<Output, 'model'> {
  const known = new Set(input.sources.map(({ uri }) => uri));
  const given = [input.topic, input.question, input.sources, book.all.map(({ label }) => label)];
  const numbers = new Set([...textsIn(given)].flatMap((text) => numbersIn(text).map(({ value }) => value)));
  const findings = analysis.findings.map(({ statement, evidence, figures: ids }) => {
    const figures = ids.map((id) => book.get(id) ?? refuse(`names the figure ${id}, which nobody computed`));
    const uris = [...new Set([...evidence, ...figures.map(({ source }) => source)])];
    for (const uri of uris) if (!known.has(uri)) refuse(`names ${uri}, which is none of its sources`);
    if (uris.length === 0) refuse('states something without evidence');
    const shown = figures.map(({ label, value }) => ({ label, value }));
    return { statement, evidence: uris, ...(shown.length > 0 && { figures: shown }) };
  });
  for (const text of [analysis.title, analysis.summary, ...findings.map(({ statement }) => statement)]) {
    requireKnownNumbers(text, numbers, book);
  }
  const tables = book.tablesWith(new Set(analysis.findings.flatMap(({ figures }) => figures)));
  const { title, summary } = analysis;
  return { title, summary, findings, ...(tables.length > 0 && { tables }) };
}

/** What a value says, names of fields included. Not its JSON: that a line ends before a number is a letter there. */
function* textsIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) yield String(value);
  else if (Array.isArray(value)) for (const each of value) yield* textsIn(each);
  else for (const [name, each] of Object.entries(value)) yield* [name, ...textsIn(each)];
}

function requireKnownNumbers(text: string, given: ReadonlySet<number>, book: FigureBook): void {
  const values = book.all.map(({ value }) => value);
  for (const { written, value, precision } of numbersIn(text)) {
    const isComputed = values.some((each) => Math.abs(Math.abs(each) - Math.abs(value)) <= precision * (1 + 1e-9));
    if (!isComputed && !given.has(value)) refuse(`contains ${written}, a number that nobody computed`);
  }
}

function refuse(what: string): never {
  throw new MeshError('INVALID_OUTPUT', `the analysis ${what}`.slice(0, 300), { retryable: true });
}
