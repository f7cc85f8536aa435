import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SkillMap } from '@daca-mesh/agent-cards';
import { AgentClient, taskError, taskResult } from '@daca-mesh/protocol/client';
import type { AgentServer } from '@daca-mesh/protocol/server';
import { collect, type ModelEndpoint, type ModelReply, startModelEndpoint } from '@daca-mesh/protocol/testing';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../config.ts';
import { createServer } from '../server.ts';

type Input = SkillMap['analyze-data']['input'];
type Output = SkillMap['analyze-data']['output'];

const orders: Input['sources'][number] = {
  uri: 'table:orders',
  kind: 'table',
  mediaType: 'application/json',
  rows: [
    { month: '2025-01', region: 'north', amount: 10.5 },
    { month: '2025-01', region: 'south', amount: 30 },
    { month: '2025-02', region: 'north', amount: 20 },
    { month: '2025-02', region: 'south', amount: 61 },
  ],
  truncated: false,
};
const notes: Input['sources'][number] = {
  uri: 'file:notes.md',
  kind: 'file',
  mediaType: 'text/markdown',
  text: '# Notes\n\nDelivery in the south takes 3 weeks by now. Heat pumps are quiet.',
  truncated: false,
};
const input: Input = { topic: 'amount by region', question: 'Which region leads?', sources: [orders, notes] };

const text = (uri: string, mediaType: string, content: string) =>
  ({ uri, kind: 'file', mediaType, text: content, truncated: false }) as const;

let endpoint: ModelEndpoint | undefined;
let server: AgentServer | undefined;
let dataDir = '';

/** An analyst whose model is a local endpoint with this script; offline without one. */
async function startAnalyst(...script: ModelReply[]): Promise<AgentClient> {
  dataDir = await mkdtemp(join(tmpdir(), 'analyst-'));
  const [first, ...rest] = script;
  if (first) endpoint = await startModelEndpoint(first, ...rest);
  const model = endpoint ? { OPENAI_BASE_URL: endpoint.baseUrl, MESH_MODEL: 'test-model' } : {};
  server = await createServer(parseConfig({ MESH_DATA: dataDir, ...model }), pino({ level: 'silent' }));
  return AgentClient.connect(server.url);
}

afterEach(async () => {
  await server?.close();
  await endpoint?.[Symbol.asyncDispose]();
  endpoint = undefined;
  await rm(dataDir, { recursive: true, force: true });
});

const analyze = async (client: AgentClient, given: Input = input): Promise<Output> => {
  const task = await client.send({ skill: 'analyze-data', input: { ...given }, blocking: true });
  const error = taskError(task);
  if (error) throw error;
  // Checked by the agent's own schema.
  return taskResult(task) as Output;
};
const answer = (findings: object[], texts: object = {}): ModelReply => ({
  answer: JSON.stringify({ title: 'Regions', summary: 'The south leads.', findings, ...texts }),
});
const sumByRegion: ModelReply = {
  calls: [
    { name: 'aggregate', arguments: { source: 'table:orders', column: 'amount', how: 'sum', groupBy: 'region' } },
  ],
};

describe('the analyst offline', () => {
  it('computes what stands out, with evidence, figures and tables, and the same each time', async () => {
    const client = await startAnalyst();
    const [first, second] = await Promise.all([analyze(client), analyze(client)]);
    expect(first).toEqual(second);
    expect(first.model).toBe('offline');
    expect(first.findings[0]).toEqual({
      statement: 'By region, the sum of amount is highest for south (91) and lowest for north (30.5).',
      evidence: ['table:orders'],
      figures: [
        { label: 'sum of amount for region south in table:orders', value: 91 },
        { label: 'sum of amount for region north in table:orders', value: 30.5 },
      ],
    });
    const all = JSON.stringify(first);
    expect(all).toContain('The sum of amount rose by 100 % from 2025-01 (40.5) to 2025-02 (81).');
    expect(all).toContain('file:notes.md says: “Delivery in the south takes 3 weeks by now.”');
    expect(first.tables?.[0]).toEqual({
      caption: 'sum of amount by region (table:orders)',
      columns: ['region', 'sum of amount'],
      rows: [
        { region: 'north', 'sum of amount': 30.5 },
        { region: 'south', 'sum of amount': 91 },
      ],
    });
  });

  it('says where a figure is of a part of the rows only', async () => {
    const { findings } = await analyze(await startAnalyst(), { ...input, sources: [{ ...orders, truncated: true }] });
    expect(findings[0]?.statement).toContain('(Of the first 4 rows.)');
    expect(findings[0]?.figures?.[0]?.label).toContain('(first 4 rows)');
  });

  it('reads CSV and JSON, and takes whatever is broken for text', async () => {
    const { findings } = await analyze(await startAnalyst(), {
      topic: 'everything',
      sources: [
        text('file:a.csv', 'text/csv', 'kind,count\n"a, b",1\nc,5\n'),
        text('file:b.json', 'application/json', '[{"kind":"x","count":2},{"kind":"y","count":8}]'),
        text('file:c.json', 'application/json', '{"broken": '),
        text('file:d.csv', 'text/csv', ''),
      ],
    });
    const all = JSON.stringify(findings);
    expect(all).toContain('highest for c (5) and lowest for a, b (1)');
    expect(all).toContain('highest for y (8) and lowest for x (2)');
  });

  it('quotes a number that begins a line of a text', async () => {
    const notes = text('file:notes.md', 'text/markdown', '# Delivery\n\n42 customers complained about the delivery.');
    const { findings } = await analyze(await startAnalyst(), { topic: 'complained customers', sources: [notes] });
    expect(findings[0]?.statement).toContain('“42 customers complained about the delivery.”');
  });

  it('makes no figures of what no number can hold, and keeps identifiers as they are', async () => {
    const { findings } = await analyze(await startAnalyst(), {
      topic: 'everything',
      sources: [
        text('file:a.csv', 'text/csv', 'month,kind,amount\n2025-01,007,1\n2025-01,008,2\n2025-02,008,5\n'),
        text('file:b.csv', 'text/csv', 'month,kind,much\n2025-01,007,5e-324\n2025-02,008,1e308\n'),
        text('file:c.csv', 'text/csv', 'kind,vast\n007,1e308\n007,1e308\n008,1e999\n'),
      ],
    });
    expect(JSON.stringify(findings)).toContain('for 008 (');
  });

  it('takes records that have nothing in common for text', async () => {
    const records = JSON.stringify(Array.from({ length: 4_000 }, (_, n) => ({ [`k${n}`]: 1 })));
    const source = text('file:odd.json', 'application/json', records);
    const { findings } = await analyze(await startAnalyst(), { topic: 'everything', sources: [source] });
    expect(findings).toEqual([]);
  });
});

describe('the analyst with a model over HTTP', () => {
  it('gives the model what its tools computed, and resolves the figures it names', async () => {
    const client = await startAnalyst(
      sumByRegion,
      answer([{ statement: 'The south leads with 91.', evidence: [], figures: ['f2'] }]),
    );
    expect(await analyze(client)).toMatchObject({
      model: 'test-model',
      findings: [
        {
          statement: 'The south leads with 91.',
          evidence: ['table:orders'],
          figures: [{ label: 'sum of amount for region south in table:orders', value: 91 }],
        },
      ],
      tables: [{ caption: 'sum of amount by region (table:orders)' }],
    });
    expect(JSON.stringify(endpoint?.requests[1])).toContain('30.5');
  });

  it('tells the model which column there is where it asks for another', async () => {
    const wrong = { name: 'describe_column', arguments: { source: 'table:orders', column: 'price' } };
    const client = await startAnalyst(
      { calls: [wrong] },
      answer([{ statement: 'Nothing.', evidence: ['file:notes.md'], figures: [] }]),
    );
    await analyze(client);
    expect(JSON.stringify(endpoint?.requests[1])).toContain('has no column price; it has month, region, amount');
  });

  it.each([
    ['a number nobody computed', [{ statement: 'The south has 92.', evidence: ['table:orders'], figures: ['f2'] }], {}],
    ['such a number in the summary', [], { summary: 'It is 17 % more.' }],
    ['a figure that is none', [{ statement: 'South.', evidence: ['table:orders'], figures: ['f99'] }], {}],
    ['evidence that was not given', [{ statement: 'South.', evidence: ['file:other.md'], figures: [] }], {}],
    ['a statement without evidence', [{ statement: 'South.', evidence: [], figures: [] }], {}],
  ])('refuses %s', async (_what, findings, text) => {
    const client = await startAnalyst(sumByRegion, answer(findings, text));
    await expect(analyze(client)).rejects.toMatchObject({ retryable: true, details: { code: 'INVALID_OUTPUT' } });
  });

  it('takes rounded numbers, and those that stand in a source', async () => {
    const findings = [
      { statement: 'The north has 31, about a third of 91.', evidence: [], figures: ['f1', 'f2'] },
      { statement: 'Delivery takes 3 weeks since 2025-02.', evidence: ['file:notes.md'], figures: [] },
    ];
    expect((await analyze(await startAnalyst(sumByRegion, answer(findings)))).findings).toHaveLength(2);
  });

  it('lets the summary be watched while it is written', async () => {
    const long = { summary: 'The south leads, and it leads by far. '.repeat(5) };
    const client = await startAnalyst({ ...answer([], long), pauseMs: 30 });
    const events = await collect(client.stream({ skill: 'analyze-data', input: { ...input } }));
    const drafts = events.filter(
      ({ response: { payload } }) => payload?.$case === 'artifactUpdate' && payload.value.artifact?.name === 'draft',
    );
    expect(drafts.length).toBeGreaterThan(1);
  });
});
