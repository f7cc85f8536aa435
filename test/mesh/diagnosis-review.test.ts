import { randomUUID } from 'node:crypto';
import { AgentClient } from '@daca-mesh/protocol/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, ended, nextQuestion, openQuestions, post, questionOf, startRun, timeline } from './api.ts';
import { isDaprWanted, startOnDapr } from './dapr.ts';
import { eventually, Mesh } from './mesh.ts';

/** Diagnoses: the agent asks, the doctor reviews, and nothing of it is lost whatever dies. */

let mesh: Mesh;
const base = () => mesh.coordinator;
beforeAll(async () => {
  mesh = await Mesh.start({
    peers: ['diagnostician'],
    env: { coordinator: { MESH_KILL_AT: 'answer-accepted' }, diagnostician: { MESH_KILL_AT: 'before-complete' } },
  });
}, 60_000);
afterAll(() => mesh[Symbol.asyncDispose]());

const clear = {
  patient: { ageYears: 34 },
  complaint: 'Fever and a cough',
  symptoms: [{ name: 'breathlessness' }],
  measurements: { temperatureC: 39.1, oxygenPercent: 92 },
};
const start = async (input: object): Promise<string> =>
  (await startRun(base, 'diagnosis-review', input, randomUUID())).runId;

it('a fact is asked for, then a doctor, whoever is killed in between', { timeout: 120_000 }, async () => {
  const { ageYears: _unknown, ...patient } = clear.patient;
  const runId = await start({ ...clear, patient });
  const asked = await questionOf(base, runId);
  expect(asked).toMatchObject({
    actions: ['answer'],
    path: ['coordinator', 'diagnostician'],
    schema: { required: ['ageYears'], additionalProperties: false },
  });

  await mesh.kill('diagnostician');
  await answer(base, asked.id, { action: 'answer', value: { ageYears: 34 } });
  const review = await nextQuestion(base, asked);
  expect(review).toMatchObject({
    actions: ['approve', 'reject', 'edit'],
    assignee: 'doctor',
    arguments: { hypotheses: [{ condition: 'Pneumonia' }, {}, {}, {}, {}], facts: clear, model: 'offline' },
  });
  await answer(base, review.id, { action: 'approve', by: 'dr-ann' });
  const run = await ended(base, runId);
  expect(run).toMatchObject({
    status: 'completed',
    output: { status: 'approved', reviewedBy: 'dr-ann', rounds: 1, diagnosis: { urgency: 'urgent' } },
  });
  expect(mesh.kills('coordinator'), 'the kill point of the coordinator was hit').toBe(1);
  expect(mesh.kills('diagnostician'), 'the agent was killed, and its kill point hit').toBe(2);
  const types = (await timeline(base, runId)).map(({ type }) => type);
  expect(types.filter((type) => type === 'question-asked')).toHaveLength(2);
  expect(types.filter((type) => type === 'question-answered')).toHaveLength(2);
});

it('a rejected draft is written again with what the doctor said', { timeout: 60_000 }, async () => {
  const runId = await start(clear);
  const first = await questionOf(base, runId);
  const reason = 'She flew yesterday: swollen calf, pain on breathing, no cough.';
  await answer(base, first.id, { action: 'reject', reason, by: 'dr-ann' });
  const second = await nextQuestion(base, first);
  expect(second).toMatchObject({ arguments: { facts: { remarks: [reason] } } });
  expect(second.prompt).toContain('Pulmonary embolism');
  const diagnosis = {
    hypotheses: [{ condition: 'Pulmonary embolism', confidence: 0.9, reasons: ['Seen on the scan'], against: [] }],
    urgency: 'urgent',
    recommendedTests: [],
  };
  await answer(base, second.id, { action: 'edit', value: diagnosis, by: 'dr-ben' });
  expect(await ended(base, runId)).toMatchObject({
    output: { status: 'edited', diagnosis, reviewedBy: 'dr-ben', rounds: 2 },
  });
});

it('the review may come as an event, or as an A2A message', { timeout: 60_000 }, async () => {
  const [byEvent, byMessage] = await Promise.all([start(clear), start(clear)]);
  await Promise.all([questionOf(base, byEvent), questionOf(base, byMessage)]);
  const event = {
    specversion: '1.0',
    id: randomUUID(),
    source: 'urn:example:clinic',
    type: 'DiagnosisReviewed',
    subject: byEvent,
    data: { action: 'approve', by: 'dr-cleo' },
  };
  const received = await post(`${base()}/events`, event, { 'content-type': 'application/cloudevents+json' });
  expect(received.body).toMatchObject({ events: [{ status: 'raised', runId: byEvent }] });
  expect(await ended(base, byEvent)).toMatchObject({ output: { status: 'approved' } });

  const client = await AgentClient.connect(mesh.coordinator);
  await client.send({ taskId: byMessage, text: 'reject: this is a cold' });
  await eventually(
    () => openQuestions(base, byMessage),
    (open) => open.length > 0,
    { what: 'the second draft' },
  );
});

it('silence approves nothing', { timeout: 60_000 }, async () => {
  const runId = await start({ ...clear, deadlineMs: 1_500 });
  expect(await ended(base, runId)).toMatchObject({ output: { status: 'unreviewed', rounds: 1 } });
  expect((await timeline(base, runId)).map(({ type }) => type)).toContain('question-escalated');
});

describe.runIf(isDaprWanted())('a review on real Dapr', () => {
  it('waits for the doctor while agent and coordinator are killed', { timeout: 240_000 }, async () => {
    await using mesh = await startOnDapr(['diagnostician']);
    const at = () => mesh.coordinator;
    const { ageYears: _unknown, ...patient } = clear.patient;
    const { runId } = await startRun(at, 'diagnosis-review', { ...clear, patient }, randomUUID());
    const asked = await questionOf(at, runId, 120_000);
    await mesh.kill('diagnostician');
    await answer(at, asked.id, { action: 'answer', value: { ageYears: 34 } });
    const review = await nextQuestion(at, asked);
    await mesh.kill('coordinator');
    await answer(at, review.id, { action: 'approve', by: 'dr-ann' });
    expect(await ended(at, runId, 120_000)).toMatchObject({
      status: 'completed',
      output: { status: 'approved', reviewedBy: 'dr-ann', diagnosis: { urgency: 'urgent' } },
    });
  });
});
