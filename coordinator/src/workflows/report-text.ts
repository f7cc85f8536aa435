import { format, type SkillMap } from '@daca-mesh/agent-cards';

type Collected = SkillMap['collect-data']['output'];
type Analysis = SkillMap['analyze-data']['output'];
type Table = NonNullable<Analysis['tables']>[number];

/** The most the formatter takes. */
const maxChars = format.input.shape.text.maxLength ?? 100_000;

/** A report as Markdown: what was found, what it rests on, and what is missing. Without an analysis, only the data. */
export function reportText({ sources, problems }: Collected, analysis: Analysis | undefined): string {
  const sections = [
    analysis ? plain(analysis.summary) : '*Nobody analyzed the data.*',
    ...(analysis && analysis.findings.length > 0 ? ['## Findings', analysis.findings.map(toItem).join('\n')] : []),
    ...(analysis?.tables ?? []).flatMap((table) => [`### ${plain(table.caption)}`, toTable(table)]),
    '## Sources',
    sources.map(({ uri, truncated }) => `- ${code(uri)}${truncated ? ' (in part)' : ''}`).join('\n'),
    ...(problems.length > 0
      ? ['## Not read', problems.map(({ source, message }) => `- ${code(source)}: ${plain(message)}`).join('\n')]
      : []),
    ...(analysis ? [`*Figures are computed from the sources; worded by ${plain(analysis.model)}.*`] : []),
  ];
  const text = sections.join('\n\n');
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
}

function toItem({ statement, evidence, figures = [] }: Analysis['findings'][number]): string {
  const shown = figures.map(({ label, value }) => `  - ${plain(label)}: **${value}**`);
  return [`- ${plain(statement)} (${evidence.map(code).join(', ')})`, ...shown].join('\n');
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

function toTable({ columns, rows }: Table): string {
  return [
    line(columns.map(plain)),
    line(columns.map(() => '---')),
    ...rows.map((row) => line(columns.map((column) => plain(String(row[column] ?? ''))))),
  ].join('\n');
}

/** Text in which nothing is markup. */
const plain = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_[\]<>|#~]/g, String.raw`\$&`);

const code = (text: string): string => `\`${text.replaceAll(/[`|\s]+/g, ' ')}\``;
