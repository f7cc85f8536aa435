import { type Answer, MeshError } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Mesh } from '../mesh.ts';
import type { Step } from '../orchestration.ts';
import { defineWorkflow } from '../workflow.ts';
import { type AgentQuestion, silence, testWorkflow } from './index.ts';

const workflow = (run: (mesh: Mesh) => Step<unknown>) =>
  defineWorkflow({
    name: 'under-test',
    version: 1,
    description: 'under test',
    input: z.unknown(),
    output: z.unknown(),
    run: async function* (mesh) {
      return yield* run(mesh);
    },
  });

const calling = workflow((mesh) => mesh.call({ skill: 'work' }, { n: 1 }));
const input = {};

const asking = function* (): Generator<AgentQuestion, unknown, Answer> {
  const first = yield { prompt: 'Which day?', schema: { type: 'string' } };
  const second = yield { prompt: 'Sure?', actions: ['approve'] };
  return { day: first.value, sure: second.action };
};

describe('an agent of a test', () => {
  it('gives its result, typed by its skill', async () => {
    const writing = workflow((mesh) => mesh.call({ skill: 'write' }, { keywords: ['mesh'] }));
    const run = await testWorkflow(writing, {
      input,
      agents: { write: ({ keywords }) => ({ title: keywords.join(), text: 'a draft', model: 'none' }) },
    });
    expect(run).toMatchObject({ status: 'completed', output: { title: 'mesh', text: 'a draft' } });
  });

  it('fails for a while: it is called again, and no time is lost', async () => {
    const run = await testWorkflow(calling, {
      input,
      agents: {
        work: (_, { attempt }) => {
          if (attempt < 3) throw new MeshError('UNAVAILABLE', 'busy', { retryable: true });
          return { attempt };
        },
      },
    });
    expect(run.output).toEqual({ attempt: 3 });
    expect(run.calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    // 1 s, then 2 s, each ±20 %.
    expect(run.elapsedMs).toBeGreaterThanOrEqual(2_400);
  });

  it.each([
    [
      () => {
        throw new MeshError('PEER_REJECTED', 'not me');
      },
      'PEER_REJECTED',
    ],
    [
      () => {
        throw new Error('broken');
      },
      'PEER_FAILED',
    ],
  ])('refuses or fails for good', async (work, code) => {
    const run = await testWorkflow(calling, { input, agents: { work } });
    expect(run).toMatchObject({ status: 'failed', failure: { code }, calls: [{ to: 'work', attempt: 1 }] });
  });

  it('that is missing is told by name', async () => {
    const run = await testWorkflow(calling, { input });
    expect(run.failure).toMatchObject({ code: 'PEER_NOT_FOUND', message: expect.stringContaining('work') });
  });

  it('that is silent is given up when its time is over', async () => {
    const run = await testWorkflow(calling, { input, agents: { work: () => silence } });
    expect(run.status).toBe('waiting');
    await run.advance('4m');
    expect(run.status).toBe('waiting');
    await run.advance('1m');
    expect(run).toMatchObject({ status: 'failed', failure: { code: 'DEADLINE_EXCEEDED' }, elapsedMs: 300_000 });
  });

  it('asks people on the way', async () => {
    const run = await testWorkflow(calling, {
      input,
      agents: { work: asking },
      answers: ({ prompt }) => (prompt === 'Which day?' ? { action: 'answer', value: 'friday' } : undefined),
    });
    expect(run.openQuestions).toMatchObject([{ prompt: 'Sure?' }]);
    await expect(run.answer({ action: 'reject' })).rejects.toMatchObject({ code: 'ANSWER_INVALID' });
    await run.answer({ action: 'approve' });
    expect(run.output).toEqual({ day: 'friday', sure: 'approve' });
  });

  it('asks the workflow on the way', async () => {
    const deciding = workflow((mesh) =>
      mesh.call(
        { skill: 'work' },
        {},
        {
          onQuestion: ({ actions }) => (actions[0] === 'answer' ? { action: 'answer', value: 'monday' } : undefined),
        },
      ),
    );
    const run = await testWorkflow(deciding, { input, agents: { work: asking }, answers: [{ action: 'approve' }] });
    expect(run.output).toEqual({ day: 'monday', sure: 'approve' });
    expect(run.questions).toMatchObject([{ prompt: 'Sure?' }]);
  });
});

describe('a workflow under test', () => {
  it('is asked, told events, sleeps, and works with activities', async () => {
    const busy = workflow(async function* (mesh) {
      yield* mesh.sleep('7d');
      const { by } = z.object({ by: z.string() }).parse(yield* mesh.ask({ prompt: 'Go on?' }));
      const early = yield* mesh.waitFor('Early');
      const late = yield* mesh.waitFor('late', { timeout: '1h' });
      const never = yield* mesh.waitFor('never', { timeout: '1h' });
      yield* mesh.progress('nearly done');
      return [by, early, late, never, yield* mesh.activity('double', 21)];
    });
    const run = await testWorkflow(busy, {
      input,
      answers: [{ action: 'approve' }],
      by: 'ann',
      events: { early: 1 },
      activities: { double: (n: number) => n * 2 },
    });
    expect(run.status).toBe('waiting');
    await run.raise('LATE', 2);
    await run.advance('1h');
    expect(run.output).toEqual([
      'ann',
      { status: 'received', payload: 1 },
      { status: 'received', payload: 2 },
      { status: 'timed-out' },
      42,
    ]);
    expect(run.progress).toEqual(['nearly done']);
    expect(run.elapsedMs).toBeGreaterThanOrEqual(7 * 24 * 60 * 60 * 1000 + 60 * 60 * 1000);
  });

  it('is canceled, and undoes what it did', async () => {
    const undoing = workflow(async function* (mesh) {
      yield* mesh.call({ skill: 'work' }, {}, { undo: { target: { agent: 'undo' }, input: (result) => ({ result }) } });
      yield* mesh.waitFor('never');
    });
    const run = await testWorkflow(undoing, { input, agents: { work: () => 'done', undo: () => null } });
    await run.cancel('enough');
    expect(run).toMatchObject({ status: 'canceled', undone: ['work at 0'] });
    expect(run.calls.at(-1)).toMatchObject({ to: 'undo', input: { result: 'done' } });
  });

  it('is refused when it is not deterministic', async () => {
    let turns = 0;
    const drifting = workflow((mesh) => mesh.activity(`step-${turns++}`, {}));
    const activities = { 'step-0': () => 1, 'step-1': () => 1 };
    await expect(testWorkflow(drifting, { input, activities })).rejects.toThrow(
      'step 0 was activity step-0, the code now makes activity step-1',
    );
  });

  it('throws what it throws', async () => {
    const broken = workflow(async function* (mesh) {
      yield* mesh.progress('begun');
      throw new RangeError('off by one');
    });
    await expect(testWorkflow(broken, { input })).rejects.toThrow(new RangeError('off by one'));
  });
});

describe('a question of a test', () => {
  const approving = workflow((mesh) =>
    mesh.ask({
      prompt: 'Order it?',
      assignee: 'buyer',
      approvals: { required: 2, of: ['manager'] },
      reminders: [{ after: '1h' }, { after: '20h' }],
      escalation: [
        { after: '12h', assignee: 'head' },
        { after: '22h', assignee: 'board' },
      ],
      deadline: '24h',
      onDeadline: { action: 'reject', reason: 'nobody looked' },
      event: 'approval_received',
    }),
  );

  it('reminds and escalates in its time, until its deadline', async () => {
    const run = await testWorkflow(approving, { input });
    expect(run.openQuestions).toMatchObject([{ assignee: 'buyer', approvals: { required: 2, missing: 2 } }]);
    await run.advance('13h');
    expect(run.openQuestions).toMatchObject([{ assignee: 'head' }]);
    expect(run.reminders).toMatchObject([{ assignee: 'buyer', afterMs: 3_600_000 }]);
    await run.advance('10h');
    expect(run.openQuestions).toMatchObject([{ assignee: 'board' }]);
    expect(run.reminders.map(({ assignee }) => assignee)).toEqual(['buyer', 'head']);
    await run.answer({ action: 'approve' }, 'ann');
    await run.advance('1h');
    expect(run.output).toEqual({
      status: 'expired',
      answer: { action: 'reject', reason: 'nobody looked' },
      approvals: [{ by: 'ann', at: expect.any(String) }],
    });
  });

  it('is approved by so many people, by hand and by event, and then reminds no more', async () => {
    const run = await testWorkflow(approving, { input });
    await run.raise('Approval_Received', { approved: true, by: 'ann' });
    await expect(run.answer({ action: 'approve' }, 'ann')).rejects.toMatchObject({ code: 'ALREADY_APPROVED' });
    await expect(run.raise('approval_received', { yes: 1 })).rejects.toMatchObject({ code: 'ANSWER_INVALID' });
    expect(run.status).toBe('waiting');
    await run.answer({ action: 'approve', reason: 'cheap' }, 'bob');
    const approvals = [{ by: 'ann' }, { by: 'bob', reason: 'cheap' }];
    expect(run.output).toMatchObject({ status: 'answered', answer: { action: 'approve' }, by: 'bob', approvals });
    await run.advance('24h');
    expect(run.reminders).toEqual([]);
  });

  it('is rejected by one', async () => {
    const run = await testWorkflow(approving, { input });
    await run.answer({ action: 'approve' }, 'ann');
    await run.raise('approval_received', { approved: false, reason: 'too dear', by: 'bob' });
    const answer = { action: 'reject', reason: 'too dear' };
    expect(run.output).toMatchObject({ status: 'answered', answer, by: 'bob', approvals: [{ by: 'ann' }] });
  });
});
