import type { analyzeData, Source } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { type AgentSkillRun, type ChosenModel, meshTool, runAgentSkill } from '@daca-mesh/protocol/agents-sdk';
import { z } from 'zod';
import { computeAggregate, describeColumn } from '../data/compute.ts';
import { type DataTable, toDataTable } from '../data/data-table.ts';
import { FigureBook } from '../data/figure-book.ts';
import { aggregates } from '../data/statistics.ts';
import { survey } from '../data/survey.ts';
import { Analysis, checkAnalysis } from './check-analysis.ts';

type Input = z.output<typeof analyzeData.input>;
type Output = z.output<typeof analyzeData.output>;

const instructions = `You analyze data for a report. The user's message is a JSON object: "topic" is what the report is
about, "question" what the reader wants to know, and "sources" describes the data by URI, with its columns and a sample.
Call survey_sources first: it computes what stands out. Where that is not enough, call describe_column and aggregate.
Then choose the findings that matter for topic and question, the most important first, and word them plainly.
Never calculate yourself and never guess: every number you write must be one that a tool returned or that stands in a
source, and each finding names the ids of its figures and the URIs of the sources it rests on. Answer with a title of at
most ten words, a summary of one to three sentences, and the findings.`;

/** Makes the skill: what stands out in sources, computed by tools, chosen and worded by the model, and checked. */
export function createAnalyst(model: ChosenModel, timeoutMs: number) {
  return async ({ input, task }: { input: Input; task: AgentSkillRun<unknown>['task'] }): Promise<Output> => {
    const book = new FigureBook();
    const tables = input.sources.flatMap((source) => toDataTable(source) ?? []);
    const { output, model: name } = await runAgentSkill({
      agent: { name: 'Analyst', instructions, tools: createTools(input, tables, book) },
      model,
      input: {
        topic: input.topic,
        question: input.question,
        sources: input.sources.map((each) => describe(each, tables)),
      },
      task,
      outputSchema: Analysis,
      draftOf: 'summary',
      timeoutMs,
      maxTurns: 20,
    });
    return { ...checkAnalysis(output, input, book), model: name };
  };
}

const sampleRows = 3;
const excerptChars = 2_000;

/** What the model is told of a source before it asks. */
function describe({ uri, text, truncated }: Source, tables: readonly DataTable[]): Record<string, unknown> {
  const table = tables.find((each) => each.uri === uri);
  if (!table) return { uri, truncated, excerpt: text?.slice(0, excerptChars) };
  const { columns, rows } = table;
  return { uri, truncated, rows: rows.length, columns, sample: rows.slice(0, sampleRows) };
}

function createTools(input: Input, tables: readonly DataTable[], book: FigureBook) {
  const texts = input.sources.filter(({ uri }) => !tables.some((table) => table.uri === uri));
  const tableOf = (uri: string): DataTable => {
    const table = tables.find((each) => each.uri === uri);
    if (table) return table;
    throw new MeshError('NOT_FOUND', `${uri} is no table; there is ${tables.map((each) => each.uri).join(', ')}`);
  };
  return [
    meshTool({
      name: 'survey_sources',
      description: 'Computes what stands out in all sources: findings with their figures, the most striking first.',
      parameters: z.strictObject({}),
      readOnly: true,
      execute: async () => {
        const findings = survey(tables, texts, `${input.topic} ${input.question ?? ''}`, book);
        const used = new Set(findings.flatMap(({ figures }) => figures));
        return {
          summary: findings[0]?.statement ?? 'The sources hold nothing that stands out.',
          findings,
          figures: book.all.filter(({ id }) => used.has(id)),
        };
      },
    }),
    meshTool({
      name: 'describe_column',
      description: 'Computes count, sum, mean, least and greatest value of a column, or its most frequent values.',
      parameters: z.strictObject({ source: z.string().describe('URI of a table'), column: z.string() }),
      readOnly: true,
      execute: async ({ source, column }) => ({ figures: describeColumn(tableOf(source), column, book) }),
    }),
    meshTool({
      name: 'aggregate',
      description: 'Aggregates a column of numbers, over all rows or by the values of another column.',
      parameters: z.strictObject({
        source: z.string().describe('URI of a table'),
        column: z.string(),
        how: z.enum(aggregates),
        groupBy: z.string().nullable().describe('A column, or null for all rows'),
      }),
      readOnly: true,
      execute: async ({ source, ...what }) => ({ figures: computeAggregate(tableOf(source), what, book) }),
    }),
  ];
}
