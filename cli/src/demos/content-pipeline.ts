import { z } from 'zod';
import { askAgent } from './ask-agent.ts';
import type { Demo, DemoOutcome } from './demo.ts';

const text =
  'Solar power keeps getting cheaper, and battery storage makes it useful after sunset. Grid operators now plan for ' +
  'solar power in the morning and for battery storage in the evening, while households with solar panels sell what ' +
  'they do not need. Cheap battery storage also keeps the grid stable when clouds pass over large solar farms.';

const Output = z.looseObject({ content: z.string() });
const KeywordsReply = z.looseObject({ keywords: z.array(z.looseObject({ term: z.string() })).min(1) });

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
