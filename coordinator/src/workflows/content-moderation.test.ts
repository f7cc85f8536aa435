import { describe, expect, it } from 'vitest';
import type { QuestionOutcome } from '../workflow-kit/contract.ts';
import { completed, failed, type Script } from '../workflow-kit/testing/scripted-activities.ts';
import { startRun } from '../workflow-kit/testing/start-run.ts';
import { contentModeration } from './content-moderation.ts';

const scored = (score: number) => () =>
  completed({ score, evidence: [], reasons: [`scored ${score}`], model: 'rules' });

const agentsFor = (scores: { toxicity: number; spam: number; violence: number }): NonNullable<Script['agents']> => ({
  'save-post': () => completed({ postId: 'p', status: 'pending', created: true }),
  'score-toxicity': scored(scores.toxicity),
  'score-spam': scored(scores.spam),
  'score-violence': scored(scores.violence),
  'set-post-status': ({ input }) => completed({ postId: 'p', previous: 'pending', ...statusOf(input) }),
  'append-audit': () => completed({ auditId: 'a', postId: 'p' }),
});

const statusOf = (input: unknown): { status: unknown } => ({ status: Reflect.get(Object(input), 'status') });
const risky = agentsFor({ toxicity: 0.9, spam: 0, violence: 0 });
const open = () => 'open' as const;
const post = { postId: 'p', text: 'You are awful', author: 'eve' };

const decide = async (outcome: QuestionOutcome) => {
  const run = startRun(contentModeration, post, { agents: risky });
  await run.engine.settle();
  run.activities.decide(run.activities.openQuestions[0]?.questionId ?? '', outcome);
  await run.engine.settle();
  return run.activities;
};

describe('content-moderation', () => {
  it('approves a harmless post without a person and records it', async () => {
    const agents = agentsFor({ toxicity: 0.1, spam: 0.2, violence: 0 });
    const { engine, activities } = startRun(contentModeration, post, { agents });
    await engine.settle();
    expect(activities.openQuestions).toEqual([]);
    const scores = { toxicity: 0.1, spam: 0.2, violence: 0 };
    expect(activities.sent.at(-2)?.input).toEqual({ postId: 'p', status: 'approved', by: 'policy' });
    expect(activities.sent.at(-1)?.input).toEqual({
      postId: 'p',
      entry: { action: 'approved', by: 'policy', runId: engine.instanceId, scores },
    });
    expect(activities.end).toEqual({
      status: 'completed',
      output: { postId: 'p', decision: 'approved', decidedBy: 'policy', scores, risk: 0.21 },
    });
  });

  it('scores in parallel', async () => {
    const agents = { ...risky, 'score-toxicity': open, 'score-spam': open, 'score-violence': open };
    const { engine, activities } = startRun(contentModeration, post, { agents });
    await engine.settle();
    expect(activities.sent.map((call) => call.path)).toEqual(['0', '1/0/0', '1/1/0', '1/2/0']);
  });

  it('asks a person about a risky post, with evidence, escalation and a safe default', async () => {
    const { engine, activities } = startRun(contentModeration, { ...post, deadlineMs: 60_000 }, { agents: risky });
    await engine.settle();
    expect(activities.openQuestions).toMatchObject([
      {
        actions: ['approve', 'reject', 'edit'],
        schema: { type: 'object', required: ['text'] },
        arguments: {
          ...post,
          risk: 0.9,
          threshold: 0.7,
          scores: { toxicity: 0.9 },
          evidence: { toxicity: { reasons: ['scored 0.9'] } },
        },
        assignee: 'moderator',
        timeoutMs: 60_000,
        escalation: [{ afterMs: 30_000, assignee: 'lead-moderator' }],
        onDeadline: { action: 'reject', reason: 'no decision in time' },
      },
    ]);
    expect(engine.status).toBe('running');
  });

  it.each([
    [{ action: 'approve' as const }, { decision: 'approved' }, { status: 'approved', by: 'ann' }],
    [
      { action: 'reject' as const, reason: 'rude' },
      { decision: 'rejected', reason: 'rude' },
      { status: 'rejected', reason: 'rude', by: 'ann' },
    ],
    [
      { action: 'edit' as const, value: { text: 'You are nice' } },
      { decision: 'edited', text: 'You are nice' },
      { status: 'edited', text: 'You are nice', by: 'ann' },
    ],
  ])('does what the person decided: %j', async (answer, decision, status) => {
    const { end, sent } = await decide({ status: 'answered', answer, by: 'ann' });
    expect(end).toMatchObject({ status: 'completed', output: { ...decision, decidedBy: 'ann', risk: 0.9 } });
    expect(sent.at(-2)?.input).toEqual({ postId: 'p', ...status });
    expect(sent.at(-1)?.input).toMatchObject({ entry: { action: decision.decision, by: 'ann' } });
  });

  it('rejects when nobody decides in time', async () => {
    const { end } = await decide({ status: 'expired', answer: { action: 'reject', reason: 'no decision in time' } });
    expect(end).toMatchObject({ output: { decision: 'rejected', reason: 'no decision in time', decidedBy: 'policy' } });
  });

  it('has a person decide where a moderator could not be asked', async () => {
    const agents = { ...agentsFor({ toxicity: 0, spam: 0, violence: 0 }), 'score-spam': () => failed('down', false) };
    const { engine, activities } = startRun(contentModeration, post, { agents });
    await engine.settle();
    expect(activities.openQuestions).toMatchObject([
      { prompt: expect.stringContaining('Spam could not be scored'), arguments: { scores: { spam: null } } },
    ]);
  });

  it('puts the status back when the audit entry cannot be written', async () => {
    const agents = { ...risky, 'append-audit': () => failed('disk full', false) };
    const { engine, activities } = startRun(contentModeration, post, {
      agents,
      onAsk: () => ({ status: 'answered', answer: { action: 'edit', value: { text: 'nicer' } }, by: 'ann' }),
    });
    await engine.settle();
    expect(activities.sent.at(-1)).toMatchObject({
      compensating: true,
      input: { postId: 'p', status: 'pending', text: post.text },
    });
    expect(activities.end).toMatchObject({
      status: 'failed',
      failure: { code: 'PEER_FAILED' },
      undone: ['set-post-status at 4'],
    });
  });

  it('makes up the id of a post that has none, the same in every replay', async () => {
    const { engine, activities } = startRun(
      contentModeration,
      { text: 'hi' },
      { agents: agentsFor({ toxicity: 0, spam: 0, violence: 0 }) },
    );
    await engine.settle();
    expect(activities.end).toMatchObject({ output: { postId: expect.stringMatching(/^post-[0-9a-f-]{36}$/) } });
  });
});
