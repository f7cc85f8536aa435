import { completed, failed, type Script } from '../src/workflow-kit/testing/scripted-activities.ts';
import { answered, type Case } from './case.ts';

const facts = { patient: { ageYears: 34 }, complaint: 'Fever and a cough', symptoms: [{ name: 'breathlessness' }] };
const diagnosis = {
  hypotheses: [{ condition: 'Pneumonia', confidence: 0.7, reasons: ['Cough'], against: [] }],
  urgency: 'urgent',
  recommendedTests: ['chest X-ray'],
};
const draft = completed({ ...diagnosis, missing: [], facts, disclaimer: 'A draft.', model: 'offline' });

const review = ({ agents, ...script }: Script = {}): Case => ({
  input: { ...facts, maxDrafts: 2 },
  script: { ...script, agents: { 'draft-diagnosis': () => ({ later: draft }), ...agents } },
});

/** The ways a review can go. */
export const diagnosisReviewCases: Readonly<Record<string, Case>> = {
  approved: review({ onAsk: () => answered({ action: 'approve' }) }),
  edited: review({ onAsk: () => answered({ action: 'edit', value: { ...diagnosis, urgency: 'soon' } }) }),
  'approved-later': {
    ...review(),
    steer: (activities) => {
      const [question] = activities.openQuestions;
      if (!question) return false;
      activities.decide(question.questionId, answered({ action: 'approve', reason: 'I agree' }));
      return true;
    },
  },
  'rejected-twice': review({ onAsk: () => answered({ action: 'reject', reason: 'what about the calf?' }) }),
  unreviewed: review({ onAsk: () => ({ status: 'expired' }) }),
  failed: review({ agents: { 'draft-diagnosis': () => failed('no model', false) } }),
  canceled: {
    ...review(),
    steer: (activities, runId) => {
      if (activities.openQuestions.length === 0) return false;
      activities.raise(runId, 'cancel', { reason: 'the patient has left' });
      return true;
    },
  },
};
