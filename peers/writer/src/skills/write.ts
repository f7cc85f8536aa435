import type { write } from '@daca-mesh/agent-cards';
import { type AgentSkillRun, type ChosenModel, runAgentSkill } from '@daca-mesh/protocol/agents-sdk';
import { z } from 'zod';

type Input = z.output<typeof write.input>;
type Output = z.output<typeof write.output>;

// Refined, not bounded: bounds would be part of the schema, and not every model takes those.
const Draft = z.strictObject({
  title: z.string().refine((title) => title.trim() !== '' && title.length <= 500, 'has from 1 to 500 characters'),
  text: z.string().refine((text) => text.trim() !== '' && text.length <= 100_000, 'has from 1 to 100,000 characters'),
});

const instructions = `You write short drafts. The user's message is a JSON object: "keywords" are the terms the draft is
about, "topic" what it is to be called if given, "tone" is neutral, friendly or formal, and "maxWords" is the most words
the text may have. Use every keyword at least once as far as the limit allows, and invent no facts, names or numbers.
Answer with a title of at most ten words and the text in Markdown, in paragraphs, without a heading.`;

/** Makes the skill: a draft around keywords, streamed while the model writes it. */
export function createDraftWriter(model: ChosenModel, timeoutMs: number) {
  return async ({ input, task }: { input: Input; task: AgentSkillRun<unknown>['task'] }): Promise<Output> => {
    const { output, model: name } = await runAgentSkill({
      agent: { name: 'Writer', instructions },
      model,
      input,
      task,
      outputSchema: Draft,
      draftOf: 'text',
      timeoutMs,
    });
    return { ...output, model: name };
  };
}
