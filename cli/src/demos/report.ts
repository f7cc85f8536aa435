import { newId } from '@daca-mesh/protocol';
import { z } from 'zod';
import { askAgent } from './ask-agent.ts';
import type { Demo, DemoOutcome } from './demo.ts';

const input = {
  topic: 'Orders by region',
  question: 'Which region has the highest amount?',
  files: ['*.csv', '*.md'],
  tables: [{ name: 'orders' }],
};

const Output = z.looseObject({ content: z.string(), model: z.string().nullable() });
const DataReply = z.looseObject({
  sources: z.array(
    z.looseObject({ rows: z.array(z.looseObject({ region: z.string(), amount: z.number() })).optional() }),
  ),
});
const LateError = z.looseObject({ code: z.string(), details: z.looseObject({ timeLimitMs: z.number() }) });

/** A report: data from files and tables over MCP, what stands out in it, and a page that can be downloaded. */
export const report: Demo = {
  workflow: 'report',
  variants: {
    written: {
      title: 'files and tables become findings with computed figures, and a page to download',
      createInput: () => input,
      findProblems: findPageProblems,
    },
    'agent-down': {
      title: 'the analyst is killed, and the report is written when it is back',
      createInput: () => input,
      meanwhile: async ({ control }) => void (await control().kill('analyst', { down: false })),
      findProblems: findPageProblems,
    },
    'too-late': {
      title: 'the analyst stays away, and the report ends when its time is up',
      createInput: () => ({ ...input, timeLimitMs: 3_000 }),
      start: async ({ api, control }, late) => {
        await control().kill('analyst', { down: true });
        return api.start('report', late, newId());
      },
      findProblems: findLateProblems,
    },
  },
};

async function findPageProblems({ run, api, agentWith }: DemoOutcome): Promise<string[]> {
  const output = Output.safeParse(run.output);
  if (run.status !== 'completed' || !output.success) return [`the run ended as ${run.status} without a report`];
  const page = await api.artifact(run.runId, 'content');
  const collector = await agentWith('collect-data');
  const { sources } = await askAgent(collector, 'collect-data', { tables: input.tables }, DataReply);
  const sums = new Map<string, number>();
  for (const { region, amount } of sources[0]?.rows ?? []) sums.set(region, (sums.get(region) ?? 0) + amount);
  const [leader] = [...sums].toSorted(([, a], [, b]) => b - a);
  const sentence = `highest for ${leader?.[0]} (${leader?.[1].toLocaleString('en-US')})`;
  return [
    ...(page === output.data.content ? [] : ['the page that is downloaded is not the one the run made']),
    ...(page.includes(sentence) ? [] : [`the page does not say what the data says: ${sentence}`]),
  ];
}

async function findLateProblems({ run, control }: DemoOutcome): Promise<string[]> {
  await control().restart('analyst');
  const error = LateError.safeParse(run.error).data;
  const isRight = run.status === 'failed' && error?.code === 'DEADLINE_EXCEEDED' && error.details.timeLimitMs === 3_000;
  return isRight ? [] : [`the run ended as ${run.status}, not by its time limit`];
}
