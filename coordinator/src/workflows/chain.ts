import { z } from 'zod';
import { defineWorkflow } from '../workflow-kit/workflow.ts';
import { runSteps, StepResult } from './steps/run-steps.ts';
import { stepsOf } from './steps/step.ts';

const Input = z
  .strictObject({
    /** Run one after the other; each may refer to results of those before it. */
    steps: stepsOf('chain'),
    /** What the failure of a step does, unless the step says otherwise. */
    onFailure: z.enum(['stop', 'skip']).default('stop'),
  })
  .meta({
    examples: [
      {
        steps: [
          { id: 'keywords', skill: 'extract-keywords', input: { text: 'Durable workflows survive crashes.' } },
          {
            id: 'draft',
            agent: 'writer',
            input: { keywords: [{ $from: 'keywords', pointer: '/keywords/0/term' }] },
            timeout: '2m',
          },
        ],
      },
    ],
  });

/** One call after the other, given as data. */
export const chain = defineWorkflow({
  name: 'chain',
  version: 1,
  title: 'Chain',
  description: 'Calls agents one after the other, as the input says: each step may use the results of those before it.',
  input: Input,
  output: z.strictObject({
    results: z.array(StepResult),
    /** Of the last step, where it has one. */
    output: z.unknown().optional(),
  }),
  async *run(mesh, { steps, onFailure }) {
    const results = yield* runSteps(mesh, steps, { order: 'chain', limit: 1, onFailure });
    const last = results.at(-1);
    return { results, ...(last?.output === undefined ? {} : { output: last.output }) };
  },
});
