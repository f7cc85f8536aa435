import { type SkillMap, skillSchemas } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import { silence, testWorkflow } from '../workflow-kit/testing/index.ts';
import { report } from './report.ts';

const source: SkillMap['collect-data']['output']['sources'][number] = {
  uri: 'table:orders',
  kind: 'table',
  mediaType: 'application/json',
  rows: [{ region: 'south', amount: 91 }],
  truncated: false,
};
const collected = { sources: [source], problems: [] };
const analysis: SkillMap['analyze-data']['output'] = {
  title: 'The south leads',
  summary: 'The south has most.',
  findings: [{ statement: 'South first.', evidence: ['table:orders'], figures: [{ label: 'sum', value: 91 }] }],
  model: 'offline',
};
const agents = {
  'collect-data': () => collected,
  'analyze-data': () => analysis,
  format: ({ text }: { text: string }) => ({ content: `<p>${text}</p>`, mediaType: 'text/html' as const }),
};
const input = { topic: 'Orders', question: 'Who leads?' };
const silent = (): typeof silence => silence;
const busy = (): never => {
  throw new MeshError('UNAVAILABLE', 'the model endpoint cannot be reached', { retryable: true });
};

describe('report', () => {
  it('collects, analyzes, formats, and says where it is', async () => {
    const run = await testWorkflow(report, { input: { ...input, files: ['*.csv'] }, agents });
    expect(run.calls.map(({ to, input: sent }) => [to, sent])).toEqual([
      ['collect-data', { topic: 'Orders', files: ['*.csv'] }],
      ['analyze-data', { ...input, sources: [source] }],
      ['format', { title: 'The south leads', text: expect.stringContaining('- sum: **91**'), as: 'html' }],
    ]);
    expect(run).toMatchObject({
      status: 'completed',
      output: {
        content: expect.stringContaining('The south has most.'),
        mediaType: 'text/html',
        title: 'The south leads',
        sources: [{ uri: 'table:orders', kind: 'table', truncated: false }],
        problems: [],
        model: 'offline',
      },
      progress: ['collecting data', 'analyzing 1 sources', 'formatting the report', 'the report is ready'],
    });
  });

  it('ends with an error of its own where there is nothing to report on', async () => {
    const problems = [{ source: 'file:x', code: 'NOT_FOUND', message: 'there is no x' }];
    const run = await testWorkflow(report, {
      input,
      agents: { ...agents, 'collect-data': () => ({ sources: [], problems }) },
    });
    expect(run.failure).toMatchObject({ code: 'NOT_FOUND', details: { problems }, retryable: false });
  });

  it('tries the analyst four times, then asks, and can go on without an analysis', async () => {
    const run = await testWorkflow(report, { input, agents: { ...agents, 'analyze-data': busy } });
    expect(run.calls.filter(({ to }) => to === 'analyze-data')).toHaveLength(4);
    await run.answer({ action: 'answer', value: { choice: 'skip' } });
    expect(run.output).toMatchObject({ title: 'Orders', summary: null, findings: [], model: null });
  });

  it.each([
    ['nobody answers', { 'analyze-data': busy }],
    ['the analyst is silent', { 'analyze-data': silent }],
    ['the collector is silent', { 'collect-data': silent }],
    ['the formatter is silent', { format: silent }],
  ])('ends when its time is up though %s', async (_what, other) => {
    const run = await testWorkflow(report, {
      input: { ...input, timeLimitMs: 60_000 },
      agents: { ...agents, ...other },
    });
    await run.advance('30s');
    expect(run.status).toBe('waiting');
    await run.advance('30s');
    expect(run).toMatchObject({ status: 'failed', openQuestions: [] });
    expect(run.failure).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      retryable: false,
      details: { timeLimitMs: 60_000 },
    });
  });

  it('has ten minutes where nothing is said', async () => {
    const run = await testWorkflow(report, { input, agents: { ...agents, 'analyze-data': () => silence } });
    await run.advance('590s');
    expect(run.status).toBe('waiting');
    await run.advance('10s');
    expect(run.failure).toMatchObject({ details: { timeLimitMs: 600_000 } });
  });

  it.each([
    { topic: '' },
    { topic: 'x', timeLimitMs: 10 },
    { topic: 'x', timeLimitMs: 1e10 },
    { topic: 'x', as: 'html' },
  ])('refuses the input %j', (wrong) => {
    expect(report.input.safeParse(wrong).success).toBe(false);
  });

  it('promises no more than its agents do', () => {
    expect(skillSchemas['analyze-data'].output.shape.findings).toBe(report.output.shape.findings);
  });
});
