import { draftDiagnosis } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import { testWorkflow } from '../workflow-kit/testing/index.ts';
import type { ScriptedAgent } from '../workflow-kit/testing/scripted-agent.ts';
import { diagnosisReview } from './diagnosis-review.ts';

const input = {
  patient: { ageYears: 34 },
  complaint: 'Fever and a cough',
  symptoms: [{ name: 'breathlessness' }],
  deadlineMs: 60_000,
};
const { deadlineMs: _deadlineMs, ...facts } = input;
const diagnosis = {
  hypotheses: [{ condition: 'Pneumonia', confidence: 0.7, reasons: ['Cough'], against: [] }],
  urgency: 'urgent' as const,
  recommendedTests: ['chest X-ray'],
};
const draftOf = (given: unknown) => ({
  ...diagnosis,
  missing: [],
  facts: draftDiagnosis.input.parse(given),
  disclaimer: 'A draft.',
  model: 'offline',
});
const agents = { 'draft-diagnosis': (given: unknown) => draftOf(given) } satisfies Record<
  string,
  ScriptedAgent<never, unknown>
>;
const start = (fields: { maxDrafts?: number; remarks?: string[] } = {}) =>
  testWorkflow(diagnosisReview, { input: { ...input, ...fields }, agents, by: 'dr-ann' });

describe('diagnosis-review', () => {
  it('asks a doctor about the draft, with all it rests on, and a senior doctor half way', async () => {
    const run = await start();
    expect(run.openQuestions).toMatchObject([
      { actions: ['approve', 'reject', 'edit'], arguments: draftOf(facts), assignee: 'doctor' },
    ]);
    expect(run.openQuestions[0]?.prompt).toContain('Pneumonia (0.7), urgent');
    expect(run.calls).toMatchObject([{ to: 'draft-diagnosis', input: facts }]);
  });

  it('gives the draft as the diagnosis once it is approved', async () => {
    const run = await start();
    await run.answer({ action: 'approve' });
    expect(run.output).toEqual({ status: 'approved', diagnosis, reviewedBy: 'dr-ann', rounds: 1 });
  });

  it("gives the doctor's own words where the draft is edited, and takes nothing that is no diagnosis", async () => {
    const run = await start();
    await expect(run.answer({ action: 'edit', value: { condition: 'flu' } })).rejects.toMatchObject({
      code: 'ANSWER_INVALID',
    });
    const edited = { ...diagnosis, urgency: 'soon' as const };
    await run.answer({ action: 'edit', value: edited, reason: 'not that bad' });
    expect(run.output).toEqual({
      status: 'edited',
      diagnosis: edited,
      reviewedBy: 'dr-ann',
      reason: 'not that bad',
      rounds: 1,
    });
  });

  it('drafts again with what the doctor said, and keeps what it was told on the way', async () => {
    const told = { ...facts, measurements: { temperatureC: 39.4 } };
    const run = await testWorkflow(diagnosisReview, {
      input,
      agents: {
        *'draft-diagnosis'(given) {
          if (given.measurements) return draftOf(given);
          yield { prompt: 'the temperature?', schema: { type: 'object' } };
          return draftOf(told);
        },
      },
      answers: [
        { action: 'answer', value: { temperatureC: 39.4 } },
        { action: 'reject', reason: 'she flew yesterday, swollen calf' },
        { action: 'approve' },
      ],
    });
    expect(run.calls.map((call) => call.input)).toEqual([
      facts,
      { ...told, remarks: ['she flew yesterday, swollen calf'] },
    ]);
    expect(run.questions).toHaveLength(3);
    expect(run.output).toMatchObject({ status: 'approved', rounds: 2 });
  });

  it('gives the newest remarks, as many as the agent takes', async () => {
    const remarks = Array.from({ length: 20 }, (_, index) => `remark ${index}`);
    const run = await start({ remarks });
    await run.answer({ action: 'reject', reason: 'no' });
    expect(run.calls[1]?.input).toMatchObject({ remarks: [...remarks.slice(1), 'no'] });
    expect(run.status).toBe('waiting');
  });

  it('ends without a diagnosis when every draft is rejected', async () => {
    const run = await start({ maxDrafts: 2 });
    await run.answer({ action: 'reject', reason: 'no' });
    await run.answer({ action: 'reject', reason: 'still no' });
    expect(run.output).toEqual({ status: 'rejected', reviewedBy: 'dr-ann', reason: 'still no', rounds: 2 });
    expect(run.calls).toHaveLength(2);
  });

  it('waits a year at most', () => {
    expect(diagnosisReview.input.safeParse({ ...input, deadlineMs: 366 * 86_400_000 }).success).toBe(false);
  });

  it('approves nothing by silence', async () => {
    const run = await start();
    await run.advance('59s');
    expect(run.status).toBe('waiting');
    await run.advance('1s');
    expect(run.output).toEqual({ status: 'unreviewed', rounds: 1 });
  });

  it.each([
    [{ action: 'approve' }, 'approved'],
    [{ action: 'edit', value: diagnosis }, 'edited'],
  ])('takes the review from an event too: %j', async (payload, status) => {
    const run = await start();
    await run.raise('diagnosis_reviewed', payload);
    expect(run.output).toMatchObject({ status, diagnosis });
  });

  it('fails where the agent cannot draft, and says why', async () => {
    const run = await testWorkflow(diagnosisReview, {
      input,
      agents: {
        'draft-diagnosis': () => {
          throw new MeshError('INVALID_OUTPUT', 'the draft does not rest on the facts');
        },
      },
    });
    expect(run.failure).toMatchObject({ code: 'INVALID_OUTPUT' });
    expect(run.questions).toEqual([]);
  });
});
