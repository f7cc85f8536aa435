import { CaseFacts, Diagnosis, type SkillMap } from '@daca-mesh/agent-cards';
import { z } from 'zod';
import type { Mesh } from '../workflow-kit/mesh.ts';
import type { Step } from '../workflow-kit/orchestration.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';

const dayMs = 24 * 60 * 60 * 1000;

const Input = CaseFacts.omit({ unknown: true })
  .extend({
    /** Drafts that are made at most; each one that is rejected leads to the next. */
    maxDrafts: z.int().min(1).max(5).default(3),
    /** How long each review may take; after half of it the senior doctor is asked. */
    deadlineMs: z
      .int()
      .min(1000)
      .max(365 * dayMs)
      .default(dayMs),
  })
  .meta({
    examples: [
      {
        patient: { ageYears: 34, sex: 'female' },
        complaint: 'Fever and a cough, worse at night',
        symptoms: [{ name: 'breathlessness', severity: 'mild', sinceDays: 2 }],
        measurements: { temperatureC: 39.1 },
      },
    ],
  });

const Output = z.strictObject({
  status: z.enum(['approved', 'edited', 'rejected', 'unreviewed']),
  /** What a doctor stands for; missing where none does. */
  diagnosis: Diagnosis.optional(),
  reviewedBy: z.string().optional(),
  reason: z.string().optional(),
  /** How many drafts were made. */
  rounds: z.int(),
});
type Review = Omit<z.infer<typeof Output>, 'rounds'>;
type Draft = SkillMap['draft-diagnosis']['output'];

/** A draft by an agent, which asks for what it misses -> a doctor approves, edits or rejects it -> after a rejection another draft. */
export const diagnosisReview = defineWorkflow({
  name: 'diagnosis-review',
  version: 1,
  title: 'Diagnosis review',
  description:
    'Has an agent draft a diagnosis and a doctor review it. A rejected draft is written again with what the doctor said. Without a review there is no diagnosis.',
  input: Input,
  output: Output,
  async *run(mesh, { maxDrafts, deadlineMs, ...given }) {
    let facts: CaseFacts = given;
    for (let rounds = 1; ; rounds++) {
      yield* mesh.progress(`Draft ${rounds}`);
      // A draft changes nothing, so it may be made twice.
      const draft = yield* mesh.call({ skill: 'draft-diagnosis' }, facts, { repeatable: true });
      const review = yield* reviewDraft(mesh, draft, deadlineMs);
      if (review.status !== 'rejected' || rounds === maxDrafts) return { ...review, rounds };
      facts = withRemark(draft.facts, review.reason);
    }
  },
});

/** As many as the agent takes. */
const maxRemarks = 20;

/** What was asked for stays known, and the doctor's objection becomes a fact of the next draft. */
const withRemark = (facts: CaseFacts, reason = 'rejected without a reason'): CaseFacts => ({
  ...facts,
  remarks: [...(facts.remarks ?? []), reason].slice(-maxRemarks),
});

async function* reviewDraft(mesh: Mesh, draft: Draft, deadlineMs: number): Step<Review> {
  const { hypotheses, urgency, recommendedTests } = draft;
  const [likeliest] = hypotheses;
  const summary = likeliest
    ? `${likeliest.condition} (${likeliest.confidence})${hypotheses.length > 1 ? ` and ${hypotheses.length - 1} more` : ''}`
    : 'no condition fits';
  const outcome = yield* mesh.ask({
    prompt: `Do you stand for this draft of a diagnosis: ${summary}, ${urgency}? Approve it, edit it, or reject it with what is to be considered.`,
    actions: ['approve', 'reject', 'edit'],
    schema: Diagnosis,
    arguments: draft,
    assignee: 'doctor',
    deadline: deadlineMs,
    escalation: [{ after: Math.ceil(deadlineMs / 2), assignee: 'senior-doctor' }],
    event: 'diagnosis_reviewed',
  });
  // Silence approves nothing.
  if (outcome.status === 'expired') return { status: 'unreviewed' };
  const { answer, by: reviewedBy } = outcome;
  const reason = answer.reason ? { reason: answer.reason } : {};
  switch (answer.action) {
    case 'approve':
      return { status: 'approved', diagnosis: { hypotheses, urgency, recommendedTests }, reviewedBy, ...reason };
    case 'edit':
    case 'answer':
      return { status: 'edited', diagnosis: answer.value, reviewedBy, ...reason };
    case 'reject':
      return { status: 'rejected', reviewedBy, ...reason };
    default:
      return answer satisfies never;
  }
}
