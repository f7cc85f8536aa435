import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listQuestions } from '../inbox/inbox.ts';
import { answerQuestion } from '../inbox/questions.ts';
import { type CuttingProxy, startCuttingProxy } from '../runs/testing/cutting-proxy.ts';
import type { Script } from '../runs/testing/scripted-engine.ts';
import { callOf, TestMesh } from '../runs/testing/test-mesh.ts';
import type { CallRequest } from '../workflow-kit/contract.ts';

const once: Script = async ({ activities, runId, input, scope, call }) => {
  const outcome = await call(callOf(runId, 'only', input as Partial<CallRequest>));
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

describe('a message whose connection broke', () => {
  let mesh: TestMesh;
  let proxy: CuttingProxy;
  let executions: number;

  beforeEach(async () => {
    executions = 0;
    mesh = await TestMesh.create({ once });
    proxy = await startCuttingProxy();
  });
  afterEach(async () => {
    await mesh[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  const start = async (ours: boolean) => {
    const agent = await mesh.agent(
      {
        work: async () => {
          executions++;
          return { execution: executions };
        },
      },
      { ours, publicUrl: proxy.url },
    );
    proxy.target = agent.url;
    await mesh.start();
  };
  const outcomeOf = (runId: string) =>
    vi.waitFor(async () => {
      const run = await mesh.coordinator.runs.get(runId);
      expect(run.status).toBe('completed');
      return run.output;
    }, 15_000);
  const question = () =>
    vi.waitFor(async () => {
      const [first] = (await mesh.coordinator.database.read(() => listQuestions({ limit: 5 }))).questions;
      expect(first?.status).toBe('open');
      return first!;
    }, 10_000);
  const decide = async (value: unknown) => {
    const { id } = await question();
    const { database, inbox } = mesh.coordinator;
    const answer = { action: 'answer', value } as const;
    await database.write(() => answerQuestion(inbox, id, answer, inbox.identify('ann')));
  };

  it('is sent again to a peer that recognizes it', async () => {
    await start(true);
    proxy.cut = 'after';
    const runId = await mesh.run('once');
    await vi.waitFor(() => expect(proxy.calls.get('SendMessage')).toBeGreaterThan(3), 10_000);
    proxy.cut = undefined;
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed', output: { execution: 1 } });
    expect(executions).toBe(1);
  });

  it('is found at a peer that does not recognize it, by its context', async () => {
    await start(false);
    proxy.cut = 'after';
    const runId = await mesh.run('once');
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed', output: { execution: 1 } });
    expect(proxy.calls.get('SendMessage')).toBe(1);
    expect(executions).toBe(1);
  });

  it.each([
    ['resend', { choice: 'resend' }, { status: 'completed', output: { execution: 1 } }, 2],
    ['value', { choice: 'value', value: { by: 'hand' } }, { status: 'completed', output: { by: 'hand' } }, 1],
    ['fail', { choice: 'fail' }, { status: 'failed', failure: { code: 'OUTCOME_UNKNOWN' } }, 1],
  ])('is for a person to decide where it is not found: %s', async (_name, choice, outcome, sends) => {
    await start(false);
    proxy.cut = 'before';
    const runId = await mesh.run('once', { timeoutMs: 4_000 });
    expect(await question()).toMatchObject({ runId, path: ['coordinator'], actions: ['answer'] });
    proxy.cut = undefined;
    await decide(choice);
    expect(await outcomeOf(runId)).toMatchObject(outcome);
    expect(proxy.calls.get('SendMessage')).toBe(sends);
  });

  it('is sent again without asking when the skill may run twice, and fails when the call says so', async () => {
    await start(false);
    proxy.cut = 'before';
    const again = await mesh.run('once', { repeatable: true });
    const failing = await mesh.run('once', { onUnknown: 'fail' });
    expect(await outcomeOf(failing)).toMatchObject({ status: 'failed', failure: { code: 'OUTCOME_UNKNOWN' } });
    proxy.cut = undefined;
    expect(await outcomeOf(again)).toMatchObject({ status: 'completed' });
  });

  it('does not need a list of tasks: open calls are then looked at one by one', async () => {
    await start(true);
    proxy.refuseLists = true;
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await mesh.stop();
    const agent = await mesh.agent(
      { slow: async () => (await released, { slow: true }) },
      { name: 'slow', publicUrl: proxy.url },
    );
    proxy.target = agent.url;
    await mesh.start({ streams: false });
    const runId = await mesh.run('once', { target: { skill: 'slow' } });
    await vi.waitFor(() => expect(proxy.calls.get('GetTask')).toBeGreaterThan(2), 10_000);
    release();
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed', output: { slow: true } });
    expect(proxy.calls.get('ListTasks')).toBe(1);
  });
});
