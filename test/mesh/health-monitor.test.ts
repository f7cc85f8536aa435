import { randomUUID } from 'node:crypto';
import { AgentClient } from '@daca-mesh/protocol/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, post, type Question, questionOf, readQuestion, type Run, startRun, timeline } from './api.ts';
import { eventually, Mesh } from './mesh.ts';

/** What people hear of when agents and devices fail, and when they are well again. */

const settings = {
  minIntervalMs: 200,
  maxIntervalMs: 1_000,
  open: { bad: 2, of: 3 },
  close: 2,
  quietMs: 1_000,
  // The machine of a test may be slow.
  latencyMs: 60_000,
};

let mesh: Mesh;
let monitorId: string;
const base = () => mesh.coordinator;

beforeAll(async () => {
  mesh = await Mesh.start({ peers: ['keyword-extractor', 'device-light'] });
  ({ runId: monitorId } = await startRun(base, 'health-monitor', settings, randomUUID()));
}, 60_000);
afterAll(() => mesh[Symbol.asyncDispose]());

const read = async <T>(path: string): Promise<T> => {
  const response = await fetch(`${base()}${path}`, { signal: AbortSignal.timeout(20_000) });
  // JSON has no type; the API documents this one.
  return (await response.json()) as T;
};

/** The open question about a target, as it shows in the inbox. */
const questionAbout = async (target: string): Promise<Question> => {
  const [question] = await eventually(
    async () => {
      const { questions } = await read<{ questions: Question[] }>('/questions?status=open');
      return questions.filter(({ prompt }) => prompt.includes(target));
    },
    (found) => found.length === 1,
    { what: `a question about ${target}` },
  );
  if (!question) throw new Error('no question');
  return question;
};

const alertsAbout = async (target: string): Promise<Run[]> => {
  const { runs } = await read<{ runs: (Run & { input: unknown })[] }>('/runs?workflow=health-alert');
  return runs.filter(({ input }) => JSON.stringify(input).includes(target));
};

const decide = (question: Question, value: object) =>
  post<{ code?: string }>(`${base()}/questions/${question.id}/answer`, { action: 'answer', value, by: 'ann' });

const inject = async (fault: unknown): Promise<void> => {
  const lights = await AgentClient.connect(mesh.url('device-light'));
  await lights.send({ skill: 'fault-light', input: { deviceId: await someLight(lights), fault }, blocking: true });
};

let light: string | undefined;
const someLight = async (lights: AgentClient): Promise<string> => {
  if (light !== undefined) return light;
  const { artifacts } = await lights.send({ skill: 'list-lights', input: { limit: 1 }, blocking: true });
  const listed = artifacts[0]?.parts.find(({ content }) => content?.$case === 'data')?.content?.value;
  // The output of the skill.
  [{ deviceId: light }] = (listed as { devices: [{ deviceId: string }] }).devices;
  return light;
};

describe('the health monitor', () => {
  it(
    'has people told of an agent that is gone, once, and of its return; through a crash',
    { timeout: 120_000 },
    async () => {
      await mesh.kill('keyword-extractor', { hold: true });
      const question = await questionAbout('agent:keyword-extractor');
      expect(question).toMatchObject({ assignee: 'operator', actions: ['answer'] });
      expect((await decide(question, { choice: 'repair' })).body.code).toBe('ANSWER_INVALID');
      await mesh.kill('coordinator');
      await mesh.up('coordinator');
      expect((await decide(question, { choice: 'acknowledge' })).status).toBe(200);
      await mesh.up('keyword-extractor');
      const alert = await ended(base, question.runId);
      expect(alert).toMatchObject({
        status: 'completed',
        output: { acknowledgedBy: 'ann', repairs: 0, reason: 'everything it was about is well again' },
      });
      expect(await alertsAbout('keyword-extractor')).toHaveLength(1);
      const asked = (await timeline(base, question.runId)).filter(({ type }) => type === 'question-asked');
      expect(asked).toHaveLength(1);
      expect((await read<Run>(`/runs/${monitorId}`)).status).toBe('running');
    },
  );

  it('withdraws its question about a device that is well again by itself', { timeout: 60_000 }, async () => {
    await inject({ type: 'offline' });
    const question = await questionAbout('device:device-light/');
    await inject(null);
    expect(await ended(base, question.runId)).toMatchObject({ status: 'completed', output: { repairs: 0 } });
    expect(await readQuestion(base, question.id)).toMatchObject({ status: 'answered', answeredBy: 'workflow' });
    const late = await decide(question, { choice: 'acknowledge' });
    expect(late).toMatchObject({ status: 409, body: { code: 'QUESTION_CLOSED' } });
  });

  it('takes an order to repair, and the same event twice as one', { timeout: 60_000 }, async () => {
    await inject({ type: 'stuck' });
    const question = await questionAbout('device:device-light/');
    expect((await decide(question, { choice: 'repair' })).status).toBe(200);
    // There is no agent that repairs, so a person is asked, on the same run.
    const repair = await questionOf(base, question.runId);
    expect(repair.prompt).toContain('after all repairs');
    const key = { 'idempotency-key': randomUUID() };
    const over = { choice: 'resolved', reason: 'done by hand' };
    const twice = [1, 2].map(() => post(`${base()}/runs/${question.runId}/events/alert_resolved`, over, key));
    expect((await Promise.all(twice)).map(({ status }) => status)).toEqual([202, 202]);
    expect((await decide(repair, { choice: 'leave' })).status).toBe(200);
    const alert = await ended(base, question.runId);
    expect(alert.output).toEqual({ acknowledgedBy: 'ann', repairs: 1, reason: 'done by hand' });
    const received = (await timeline(base, question.runId)).filter(({ type }) => type === 'event-received');
    expect(received).toHaveLength(1);
    await inject(null);
  });

  it('is the only one of its name, and closes its alerts when it is canceled', { timeout: 90_000 }, async () => {
    const second = await startRun(base, 'health-monitor', settings, randomUUID());
    expect(await ended(base, second.runId)).toMatchObject({ status: 'failed', error: { code: 'ALREADY_RUNNING' } });
    await mesh.kill('keyword-extractor', { hold: true });
    const question = await questionAbout('agent:keyword-extractor');
    await post(`${base()}/runs/${monitorId}/cancel`, { reason: 'enough' });
    expect(await ended(base, monitorId)).toMatchObject({ status: 'canceled' });
    expect((await ended(base, question.runId)).output).toMatchObject({ reason: 'the monitor has ended' });
    const third = await startRun(base, 'health-monitor', { ...settings, checks: 1 }, randomUUID());
    expect((await ended(base, third.runId)).output).toEqual({ checks: 1, raised: 0 });
  });
});
