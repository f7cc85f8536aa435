import { TaskState } from '@a2a-js/sdk';
import { startForeignAgent } from '@daca-mesh/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listQuestions } from '../inbox/inbox.ts';
import { answerQuestion, expireQuestion } from '../inbox/questions.ts';
import { startCuttingProxy } from '../runs/testing/cutting-proxy.ts';
import type { Script } from '../runs/testing/scripted-engine.ts';
import { type Behaviour, callOf, TestMesh } from '../runs/testing/test-mesh.ts';
import { abandonCalls } from './abandon-calls.ts';
import { type CallOutcome, type CallRequest, eventNames } from '../workflow-kit/contract.ts';

const once: Script = async ({ activities, runId, input, scope, call }) => {
  const outcome = await call(callOf(runId, 'only', input as Partial<CallRequest>));
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

/** Answers its agent's question itself. */
const answering: Script = async ({ activities, runId, input, scope, call, event }) => {
  const request = callOf(runId, 'only', { ...(input as Partial<CallRequest>), questionPolicy: 'workflow' });
  let outcome = (await call(request)) as CallOutcome;
  const { callId, attempt } = request;
  if (outcome.status === 'question') {
    const answer = { action: 'answer', value: `about "${outcome.question.prompt}"` } as const;
    await activities.answerCall({ ...scope(), callId, attempt, answer });
    await activities.answerCall({ ...scope(), callId, attempt, answer });
    outcome = (await event(eventNames.call(callId, attempt))) as CallOutcome;
  }
  await activities.finish({ ...scope(), end: { status: 'completed', output: outcome } });
};

describe("an agent's question", () => {
  let mesh: TestMesh;
  let answers: unknown[];

  const asking: Behaviour = async ({ task, resumed }) => {
    if (!resumed) {
      const schema = { type: 'string', enum: ['red', 'blue'] };
      return task.ask({ prompt: 'Which colour?', schema, actions: ['answer', 'reject'] }, { state: 1 });
    }
    answers.push(resumed.answer);
    return { colour: resumed.answer.value };
  };
  const askingTwice: Behaviour = async ({ task, resumed }) => {
    if (resumed) answers.push(resumed.answer.value);
    if (answers.length === 2) return { answers };
    return task.ask({ prompt: answers.length === 0 ? 'First?' : 'Second?' });
  };
  beforeEach(async () => {
    answers = [];
    mesh = await TestMesh.create({ once, answering });
  });
  afterEach(() => mesh[Symbol.asyncDispose]());

  const questions = () =>
    mesh.coordinator.database.read(() => listQuestions({ limit: 50 })).then((page) => page.questions);
  const asked = () =>
    vi.waitFor(async () => {
      const [question] = await questions();
      expect(question).toBeDefined();
      return question!;
    }, 10_000);
  const answer = (questionId: string, value: unknown) =>
    mesh.coordinator.database.write(() =>
      answerQuestion(
        mesh.coordinator.inbox,
        questionId,
        { action: 'answer', value },
        mesh.coordinator.inbox.identify('ann'),
      ),
    );
  const outcomeOf = (runId: string) =>
    vi.waitFor(async () => {
      const run = await mesh.coordinator.runs.get(runId);
      expect(run.status).toBe('completed');
      return run.output;
    }, 15_000);

  it('goes to the inbox, and its answer back to the agent, once', async () => {
    await mesh.agent({ work: asking });
    await mesh.start();
    const runId = await mesh.run('once');
    const question = await asked();
    expect(question).toMatchObject({ prompt: 'Which colour?', path: ['coordinator', 'agent'], runId, status: 'open' });
    expect((await mesh.coordinator.runs.get(runId)).status).toBe('waiting');
    expect((await mesh.task(runId)).status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    await answer(question.id, 'blue');
    await expect(answer(question.id, 'red')).rejects.toMatchObject({ code: 'QUESTION_CLOSED' });
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed', output: { colour: 'blue' } });
    expect(answers).toMatchObject([{ action: 'answer', value: 'blue' }]);
    const [closed] = await questions();
    expect(closed).toMatchObject({ status: 'answered', answeredBy: 'ann', deliveredAt: expect.any(String) });
  });

  it('survives a crash while it is open, and another between its answer and the agent', async () => {
    const agent = await mesh.agent({ work: asking });
    await mesh.start();
    const runId = await mesh.run('once');
    const question = await asked();
    await mesh.crash();
    await mesh.start();
    expect(await questions()).toMatchObject([{ id: question.id, status: 'open' }]);
    await agent.close();
    await answer(question.id, 'red');
    await mesh.crash();
    await mesh.agent({ work: asking }, { port: Number(new URL(agent.url).port) });
    await mesh.start();
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed', output: { colour: 'red' } });
    expect(answers).toHaveLength(1);
    expect(await questions()).toHaveLength(1);
  });

  it('stops the time limit of its call', async () => {
    await mesh.agent({ work: asking });
    await mesh.start();
    const runId = await mesh.run('once', { timeoutMs: 600, noProgressMs: 300 });
    const question = await asked();
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(await mesh.calls(runId)).toMatchObject([{ state: 'open', abandoned: 0 }]);
    await answer(question.id, 'blue');
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed' });
  });

  it('ends the call when it expires without an answer', async () => {
    await mesh.agent({ work: asking });
    await mesh.start();
    const runId = await mesh.run('once');
    const question = await asked();
    await mesh.coordinator.database.write(() => expireQuestion(mesh.coordinator.inbox, question.id));
    expect(await outcomeOf(runId)).toMatchObject({ status: 'timed-out' });
    expect(answers).toEqual([]);
  });

  it('is withdrawn when its call ends', async () => {
    await mesh.agent({ work: asking });
    await mesh.start();
    const runId = await mesh.run('once');
    await asked();
    const deps = { ...mesh.coordinator.inbox, core: mesh.server.core };
    await mesh.coordinator.database.write(() => abandonCalls(deps, { runId, reason: 'enough' }));
    expect(await outcomeOf(runId)).toMatchObject({ status: 'canceled' });
    expect(await questions()).toMatchObject([{ status: 'withdrawn' }]);
  });

  it('cannot be answered any more once its call was given up, though its agent is away', async () => {
    const agent = await mesh.agent({ work: asking });
    await mesh.start();
    const runId = await mesh.run('once');
    const { id } = await asked();
    await agent.close();
    const deps = { ...mesh.coordinator.inbox, core: mesh.server.core };
    await mesh.coordinator.database.write(() => abandonCalls(deps, { runId, reason: 'enough' }));
    await expect(answer(id, 'blue')).rejects.toMatchObject({ code: 'QUESTION_CLOSED' });
    await mesh.agent({ work: asking }, { port: Number(new URL(agent.url).port) });
    expect(await outcomeOf(runId)).toMatchObject({ status: 'canceled' });
    expect(answers).toEqual([]);
  });

  it('does not set its agent going by an answer from before its call was given up', async () => {
    await mesh.agent({ work: asking });
    await mesh.start();
    const runId = await mesh.run('once');
    const { id } = await asked();
    const { inbox } = mesh.coordinator;
    const deps = { ...inbox, core: mesh.server.core };
    await mesh.coordinator.database.write(function* () {
      yield* answerQuestion(inbox, id, { action: 'answer', value: 'blue' }, inbox.identify('ann'));
      yield* abandonCalls(deps, { runId, reason: 'enough' });
    });
    expect(await outcomeOf(runId)).toMatchObject({ status: 'canceled' });
    expect(answers).toEqual([]);
  });

  it('may be answered by the workflow instead, once', async () => {
    await mesh.agent({
      work: async ({ task, resumed }) => {
        if (!resumed) return task.ask({ prompt: 'What?' });
        answers.push(resumed.answer);
        return { said: resumed.answer.value };
      },
    });
    await mesh.start();
    expect(await outcomeOf(await mesh.run('answering'))).toMatchObject({ output: { said: 'about "What?"' } });
    expect(answers).toHaveLength(1);
    expect(await questions()).toMatchObject([{ status: 'answered', answeredBy: 'workflow' }]);
  });

  it('of a plain A2A agent is answered once, also when who sent the answer died before hearing so', async () => {
    await using proxy = await startCuttingProxy();
    const agent = await mesh.agent({ work: askingTwice }, { ours: false, publicUrl: proxy.url });
    proxy.target = agent.url;
    await mesh.start();
    const runId = await mesh.run('once');
    const first = await asked();
    proxy.cut = 'after';
    await answer(first.id, 'one');
    await vi.waitFor(() => expect(answers).toEqual(['one']), 10_000);
    await mesh.crash();
    proxy.cut = undefined;
    await mesh.start();
    const second = await vi.waitFor(async () => {
      const open = (await questions()).find(({ status }) => status === 'open');
      expect(open).toMatchObject({ prompt: 'Second?' });
      return open!;
    }, 10_000);
    await answer(second.id, 'two');
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed', output: { answers: ['one', 'two'] } });
    const [context] = proxy.contexts;
    expect(proxy.contexts).toEqual([expect.any(String), context, context]);
  });

  it('of a plain A2A agent is answered in plain words', async () => {
    await using agent = await startForeignAgent();
    mesh.expectPeer(agent.url);
    await mesh.start();
    const runId = await mesh.run('once', { target: { agent: 'foreign-echo' }, input: { text: 'ask' } });
    const question = await asked();
    expect(question).toMatchObject({ prompt: 'What is your name?', path: ['coordinator', 'foreign-echo'] });
    await answer(question.id, 'Ann');
    expect(await outcomeOf(runId)).toMatchObject({ status: 'completed', output: 'ANN' });
    expect(agent.executions).toBe(2);
  });
});
