import { analyzeData, collectData, format, type SkillMap, Source } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { Mesh } from '../workflow-kit/mesh.ts';
import type { Step } from '../workflow-kit/orchestration.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';
import { reportText } from './report-text.ts';

const Input = z
  .strictObject({
    topic: analyzeData.input.shape.topic,
    question: analyzeData.input.shape.question,
    format: z.enum(['html', 'markdown', 'text']).default('html'),
    /** What to report on; where nothing is named, what mentions the topic. */
    files: collectData.input.shape.files,
    tables: collectData.input.shape.tables,
    /** How long it may take, questions to people included: 10 minutes by default, at most a day. */
    timeLimitMs: z
      .int()
      .min(1_000)
      .max(24 * 60 * 60 * 1_000)
      .default(10 * 60 * 1_000),
  })
  .meta({ examples: [{ topic: 'Orders by region', question: 'Which region grows fastest?', format: 'html' }] });
type Input = z.output<typeof Input>;

const Output = z.strictObject({
  content: z.string(),
  mediaType: format.output.shape.mediaType,
  title: z.string(),
  /** Null where a person chose to go on without an analysis. */
  summary: z.string().nullable(),
  findings: analyzeData.output.shape.findings,
  sources: z.array(Source.pick({ uri: true, kind: true, truncated: true })),
  /** What could not be read. */
  problems: collectData.output.shape.problems,
  /** The model that worded the findings. */
  model: z.string().nullable(),
});

/**
 * Data -> findings about it -> a document. A long operation as clients of HTTP know it: accepted at once, looked at while it
 * goes on, and ended by its time limit, with `DEADLINE_EXCEEDED`, whatever it waits for by then.
 */
export const report = defineWorkflow({
  name: 'report',
  version: 1,
  title: 'Report',
  description:
    'Collects data from files and tables, analyzes it, and makes a document of the findings, within a time limit.',
  input: Input,
  output: Output,
  async *run(mesh, request) {
    return yield* mesh.within(request.timeLimitMs, write(mesh, request));
  },
});

async function* write(mesh: Mesh, request: Input): Step<z.input<typeof Output>> {
  const { topic, question, files, tables } = request;
  yield* mesh.progress('collecting data', 5, 'collect');
  const collected = yield* mesh.call(
    { skill: 'collect-data' },
    { topic, files, tables },
    { retry: { attempts: 4 }, timeout: '2m', repeatable: true },
  );
  if (collected.sources.length === 0) {
    const { problems } = collected;
    throw new MeshError('NOT_FOUND', 'there is no data to report on', { details: { problems } });
  }

  yield* mesh.progress(`analyzing ${collected.sources.length} sources`, 35, 'analyze');
  const analysis = yield* mesh.call(
    { skill: 'analyze-data' },
    { topic, question, sources: collected.sources },
    { retry: { attempts: 4 }, timeout: '5m', repeatable: true, onExhausted: 'ask-human' },
  );

  yield* mesh.progress('formatting the report', 80, 'format');
  const title = analysis?.title ?? topic;
  const formatted = yield* mesh.call(
    { skill: 'format' },
    { title, text: reportText(collected, analysis), as: request.format },
    { repeatable: true },
  );
  yield* mesh.progress('the report is ready', 100, 'ready');
  return { ...formatted, title, ...findingsOf(analysis), ...sourcesOf(collected) };
}

const findingsOf = (analysis: SkillMap['analyze-data']['output'] | undefined) => ({
  summary: analysis?.summary ?? null,
  findings: analysis?.findings ?? [],
  model: analysis?.model ?? null,
});

const sourcesOf = ({ sources, problems }: SkillMap['collect-data']['output']) => ({
  sources: sources.map(({ uri, kind, truncated }) => ({ uri, kind, truncated })),
  problems,
});
