import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '@daca-mesh/protocol';
import { z } from 'zod';
import { askAgent } from './ask-agent.ts';
import type { Demo, DemoOutcome, DemoStage, DemoVariant } from './demo.ts';

const text =
  'Solar power keeps getting cheaper, and battery storage makes it useful after sunset. Grid operators now plan for ' +
  'solar power in the morning and for battery storage in the evening, while households with solar panels sell what ' +
  'they do not need. Cheap battery storage also keeps the grid stable when clouds pass over large solar farms.';

const Output = z.looseObject({ content: z.string() });
const ErrorsReply = z.looseObject({ errors: z.array(z.unknown()) });
const KeywordsReply = z.looseObject({ keywords: z.array(z.looseObject({ term: z.string() })).min(1) });

/** A model's endpoint at a port where nobody listens. */
const nobody = 'http://127.0.0.1:4/v1';

/** The writer's model is away until its attempts are used up and a person is asked. */
const modelDown = {
  createInput: () => ({ text }),
  start: async ({ api, control }, input) => {
    await control().restart('writer', { OPENAI_BASE_URL: nobody, MESH_MODEL: '' });
    return api.start('content-pipeline', input, newId());
  },
  meanwhile: async ({ api, control }, runId) => {
    try {
      while ((await api.questions({ runId })).questions.length === 0 && !(await isOver(api, runId))) await sleep(200);
    } finally {
      await control().restart('writer');
    }
  },
} satisfies Partial<DemoVariant>;

async function isOver(api: DemoStage['api'], runId: string): Promise<boolean> {
  return ['completed', 'failed', 'canceled'].includes((await api.run(runId)).status);
}

const choose = (choice: string) => () => ({ action: 'answer' as const, value: { choice } });

/** A chain: keywords of a text, a draft about them, the draft formatted. */
export const contentPipeline: Demo = {
  workflow: 'content-pipeline',
  variants: {
    published: {
      title: 'a text becomes keywords, a draft about them, and a formatted page',
      createInput: () => ({ text }),
      findProblems,
    },
    'agent-down': {
      title: 'the writer is killed, and the chain goes on when it is back',
      createInput: () => ({ text }),
      meanwhile: async ({ control }) => void (await control().kill('writer', { down: false })),
      findProblems,
    },
    'model-down': {
      ...modelDown,
      title: 'the writer has no model, a person is asked after four attempts, and tries again when it is back',
      answer: choose('retry'),
      findProblems: (outcome) => findModelProblems(outcome, 'completed'),
    },
    'given-up': {
      ...modelDown,
      title: 'the writer has no model, a person gives up after four attempts, and the error is logged',
      answer: choose('abort'),
      findProblems: (outcome) => findModelProblems(outcome, 'failed'),
    },
  },
};

async function findProblems({ input, run, agentWith }: DemoOutcome): Promise<string[]> {
  const output = Output.safeParse(run.output);
  if (run.status !== 'completed' || !output.success) return [`the run ended as ${run.status} without content`];
  const extractor = await agentWith('extract-keywords');
  const { keywords } = await askAgent(extractor, 'extract-keywords', { text: input['text'] }, KeywordsReply);
  const content = output.data.content.toLowerCase();
  const isMentioned = keywords.some(({ term }) => content.includes(term.toLowerCase()));
  return isMentioned ? [] : ['the content mentions none of the keywords of the text'];
}

/** @param wanted How a run ends whose question was answered by the demonstration. */
async function findModelProblems(outcome: DemoOutcome, wanted: 'completed' | 'failed'): Promise<string[]> {
  const { run, auto, api, agentWith } = outcome;
  const { questions } = await api.questions({ runId: run.runId });
  const records = await agentWith('get-errors');
  const { errors } = await askAgent(records, 'get-errors', { runId: run.runId }, ErrorsReply);
  return [
    ...(questions.length > 0 ? [] : ['nobody was asked about the model']),
    ...(auto && run.status !== wanted ? [`it should be ${wanted}, but is ${run.status}`] : []),
    ...(auto && run.status === 'completed' ? await findProblems(outcome) : []),
    ...(errors.length === (run.status === 'failed' ? 1 : 0)
      ? []
      : [`the error log has ${errors.length} lines about it`]),
  ];
}
