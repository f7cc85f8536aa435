import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ended,
  openQuestions,
  post,
  type Question,
  questionOf,
  readQuestion,
  readRun,
  startRun,
  timeline,
} from './api.ts';
import { appliedCommands } from './device-effects.ts';
import { setFault } from './device-faults.ts';
import { eventually, type RunningMesh } from './mesh.ts';
import { readStore } from './read-store.ts';

/** The peers that the mesh of these tests has to have. */
export const watchedPeers = ['keyword-extractor', 'device-light'];

const settings = {
  minIntervalMs: 200,
  maxIntervalMs: 1_000,
  open: { bad: 2, of: 3 },
  close: 2,
  quietMs: 1_000,
  // The machine of a test may be slow.
  latencyMs: 60_000,
};

/** What people hear of when agents and devices fail, and when they are well again. The peers are up before and after. */
export function describeHealthMonitor(running: () => RunningMesh): void {
  let mesh: RunningMesh;
  let monitorId: string;
  const base = () => mesh.coordinator;
  beforeAll(async () => {
    mesh = running();
    ({ runId: monitorId } = await startRun(base, 'health-monitor', settings, randomUUID()));
  }, 60_000);

  /** The open question about a target, as it shows in the inbox. */
  const questionAbout = async (target: string): Promise<Question> => {
    const [question] = await eventually(
      async () => (await openQuestions(base)).filter(({ prompt }) => prompt.includes(target)),
      (found) => found.length === 1,
      { what: `a question about ${target}` },
    );
    if (!question) throw new Error('no question');
    return question;
  };
  const decide = (question: Question, value: object) =>
    post<{ code?: string }>(`${base()}/questions/${question.id}/answer`, { action: 'answer', value, by: 'ann' });
  const breakLight = (type: string | null) => setFault(mesh, 'light', 'light-1', type);

  /** The alerts about a target, in the coordinator's store. */
  const alertsAbout = (target: string) =>
    readStore(
      mesh,
      'coordinator',
      `SELECT run_id FROM runs WHERE workflow = 'health-alert' AND instr(input, ?) > 0`,
      target,
    );
  const generationOf = (runId: string): number =>
    Number(readStore(mesh, 'coordinator', 'SELECT generation FROM runs WHERE run_id = ?', runId)[0]?.['generation']);
  const nextGeneration = (runId: string): Promise<number> => {
    const now = generationOf(runId);
    return eventually(
      async () => generationOf(runId),
      (generation) => generation > now,
      { what: `a new beginning of the run after generation ${now}` },
    );
  };

  describe('the health monitor', () => {
    it(
      'has people told of an agent that is gone, once, and of its return; through a crash and new beginnings',
      { timeout: 120_000 },
      async () => {
        await mesh.kill('keyword-extractor', { hold: true });
        await eventually(
          async () => alertsAbout('agent:keyword-extractor'),
          (alerts) => alerts.length === 1,
          { what: 'the alert' },
        );
        // The run of the alert is stored, and the step of the monitor that started it is hardly over.
        await mesh.kill('coordinator');
        await mesh.up('coordinator');
        const question = await questionAbout('agent:keyword-extractor');
        expect(question).toMatchObject({ assignee: expect.stringMatching(/operator$/), actions: ['answer'] });
        expect((await decide(question, { choice: 'repair' })).body.code).toBe('ANSWER_INVALID');
        await nextGeneration(monitorId);
        expect((await decide(question, { choice: 'acknowledge' })).status).toBe(200);
        await mesh.up('keyword-extractor');
        const alert = await ended(base, question.runId);
        expect(alert).toMatchObject({
          status: 'completed',
          output: { acknowledgedBy: 'ann', repairs: 0, reason: 'everything it was about is well again' },
        });
        expect(alertsAbout('agent:keyword-extractor')).toHaveLength(1);
        const asked = (await timeline(base, question.runId)).filter(({ type }) => type === 'question-asked');
        expect(asked).toHaveLength(1);
        expect((await readRun(base, monitorId)).status).toBe('running');
      },
    );

    it('withdraws its question about a device that is well again by itself', { timeout: 60_000 }, async () => {
      await breakLight('offline');
      const question = await questionAbout('device:device-light/');
      await breakLight(null);
      expect(await ended(base, question.runId)).toMatchObject({ status: 'completed', output: { repairs: 0 } });
      expect(await readQuestion(base, question.id)).toMatchObject({ status: 'answered', answeredBy: 'workflow' });
      const late = await decide(question, { choice: 'acknowledge' });
      expect(late).toMatchObject({ status: 409, body: { code: 'QUESTION_CLOSED' } });
    });

    it('takes an order to repair, and the same event twice as one', { timeout: 60_000 }, async () => {
      await breakLight('stuck');
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
      // Nothing but the faults of these tests ever reached the device.
      expect(appliedCommands(mesh, 'device-light').map(({ skill }) => skill)).toEqual(Array(3).fill('fault-light'));
      await breakLight(null);
    });

    it('is the only one of its name, and closes its alerts when it is canceled', { timeout: 90_000 }, async () => {
      const second = await startRun(base, 'health-monitor', settings, randomUUID());
      expect(await ended(base, second.runId)).toMatchObject({ status: 'failed', error: { code: 'ALREADY_RUNNING' } });
      await mesh.kill('keyword-extractor', { hold: true });
      const question = await questionAbout('agent:keyword-extractor');
      const canceled = await post(`${base()}/runs/${monitorId}/cancel`, { reason: 'enough' });
      expect(canceled).toMatchObject({ status: 202 });
      expect(await ended(base, monitorId)).toMatchObject({ status: 'canceled' });
      expect((await ended(base, question.runId)).output).toMatchObject({ reason: 'the monitor has ended' });
      await mesh.up('keyword-extractor');
    });

    it('counts its checks over new beginnings', { timeout: 60_000 }, async () => {
      const quick = { ...settings, monitorId: 'quick', minIntervalMs: 100, maxIntervalMs: 100, checks: 22 };
      const { runId } = await startRun(base, 'health-monitor', quick, randomUUID());
      expect((await ended(base, runId)).output).toEqual({ checks: 22, raised: 0 });
      expect(generationOf(runId)).toBe(2);
    });
  });
}
