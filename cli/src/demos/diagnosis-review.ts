import { z } from 'zod';
import type { AnswerBody, Question } from '../mesh-api.ts';
import type { Demo, DemoOutcome } from './demo.ts';

const Status = z.enum(['approved', 'edited', 'rejected', 'unreviewed']);
const Output = z.looseObject({
  status: Status,
  diagnosis: z.looseObject({ hypotheses: z.array(z.looseObject({ condition: z.string() })).min(1) }).optional(),
  rounds: z.number(),
});

/** The age is missing, which the agent asks for. */
const createInput = () => ({
  patient: { sex: 'female' },
  complaint: 'Fever and a cough since Monday, worse at night',
  symptoms: [{ name: 'breathlessness', severity: 'mild' }],
  measurements: { temperatureC: 39.1, oxygenPercent: 92 },
  maxDrafts: 2,
});

/** The agent's own question is about facts, the doctor's about the draft. */
const answering =
  (review: AnswerBody | undefined) =>
  ({ actions }: Question): AnswerBody | undefined =>
    actions.includes('answer') ? { action: 'answer', value: { ageYears: 34 } } : review;

const approve = answering({ action: 'approve', reason: 'answered by the demonstration' });

/** A draft by an agent, its question about a missing fact, and a doctor without whom there is no diagnosis. */
export const diagnosisReview = {
  workflow: 'diagnosis-review',
  variants: {
    approved: {
      title: 'an agent asks for a missing fact, drafts a diagnosis, and a doctor approves it',
      createInput,
      answer: approve,
      findProblems: (outcome) => findProblems(outcome, { status: 'approved', rounds: 1 }),
    },
    rejected: {
      title: 'a doctor rejects the draft, and the next one too: there is no diagnosis',
      createInput,
      answer: answering({ action: 'reject', reason: 'the left calf is swollen' }),
      findProblems: (outcome) => findProblems(outcome, { status: 'rejected', rounds: 2 }),
    },
    deadline: {
      title: 'no doctor reviews the draft in time: silence approves nothing',
      createInput: () => ({ ...createInput(), deadlineMs: 2_000 }),
      answer: answering(undefined),
      findProblems: (outcome) => findProblems(outcome, { status: 'unreviewed', rounds: 1 }),
    },
    'agent-down': {
      title: 'the diagnostician is killed while it waits for the missing fact, and goes on when it is back',
      createInput,
      answer: approve,
      meanwhile: async ({ control }) => void (await control().kill('diagnostician', { down: false })),
      findProblems: (outcome) => findProblems(outcome, { status: 'approved', rounds: 1 }),
    },
  },
} satisfies Demo;

async function findProblems(
  { run, auto }: DemoOutcome,
  wanted: { status: z.infer<typeof Status>; rounds: number },
): Promise<string[]> {
  const output = Output.safeParse(run.output);
  if (run.status !== 'completed' || !output.success) return [`the run ended as ${run.status} without a review`];
  const { status, rounds, diagnosis } = output.data;
  const isReviewed = status === 'approved' || status === 'edited';
  return [
    ...(auto && status !== wanted.status ? [`it should be ${wanted.status}, but it is ${status}`] : []),
    ...(auto && rounds !== wanted.rounds ? [`it should take ${wanted.rounds} drafts, but took ${rounds}`] : []),
    ...(isReviewed === (diagnosis !== undefined) ? [] : ['there is a diagnosis exactly where a doctor stands for one']),
  ];
}
