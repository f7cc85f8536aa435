import { z } from 'zod';
import { defineWorkflow } from '../workflow-kit/workflow.ts';
import { runSteps, StepResult } from './steps/run-steps.ts';
import { stepsOf } from './steps/step.ts';

const Input = z
  .strictObject({
    /** Run at the same time; one that refers to results of others begins when those are there. */
    steps: stepsOf('any'),
    /** How many are under way at a time. */
    limit: z.int().min(1).max(100).default(5),
    /** What the failure of a step does, unless the step says otherwise: ends the run, or leaves out what needs it. */
    onFailure: z.enum(['stop', 'skip']).default('stop'),
  })
  .meta({
    examples: [
      {
        steps: [
          { id: 'toxicity', skill: 'score-toxicity', input: { text: 'What a lovely garden.' } },
          { id: 'spam', skill: 'score-spam', input: { text: 'What a lovely garden.' } },
        ],
        onFailure: 'skip',
      },
    ],
  });

/** Many calls at a time, given as data. */
export const fanOut = defineWorkflow({
  name: 'fan-out',
  version: 1,
  title: 'Fan-out',
  description: 'Calls many agents at a time, as the input says, and collects their results.',
  input: Input,
  output: z.strictObject({ results: z.array(StepResult) }),
  async *run(mesh, { steps, limit, onFailure }) {
    return { results: yield* runSteps(mesh, steps, { order: 'any', limit, onFailure }) };
  },
});
