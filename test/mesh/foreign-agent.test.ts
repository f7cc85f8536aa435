import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TaskState } from '@a2a-js/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pythonSkipReason } from '../python/python.ts';
import { answer, ended, nextQuestion, questionOf, startRun } from './api.ts';
import { eventually, Mesh } from './mesh.ts';
import { PythonAgent } from './python-agent/python-agent.ts';

/** A chain through an agent that is nothing of ours: the official SDK for Python, and no extension of the mesh. */

const reason = pythonSkipReason();

const about = (what: string): string =>
  `${what} survive crashes. Cats sleep in the sun. Crashes of ${what} lose nothing.`;

describe.skipIf(reason)(`a chain through a Python agent that asks${reason ? ` (${reason})` : ''}`, () => {
  let folder: string;
  let agent: PythonAgent;
  let mesh: Mesh;
  const base = () => mesh.coordinator;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'python-agent-'));
    agent = new PythonAgent(folder);
    await agent.start();
    // The coordinator dies when it has brought the first answer of all, before it can note so.
    const coordinator = { MESH_KILL_AT: 'answer-sent' };
    mesh = await Mesh.start({ peers: ['formatter'], env: { coordinator } });
  }, 60_000);
  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
    await mesh[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (text: string, options: object = {}): Promise<string> => {
    const steps = [
      { id: 'plain', skill: 'format', input: { text: `**${text}**`, as: 'text' } },
      { id: 'summary', agent: agent.url, input: { $from: 'plain', pointer: '/content' }, ...options },
      { id: 'page', skill: 'format', input: { title: 'Summary', text: { $from: 'summary' } } },
    ];
    return (await startRun(base, 'chain', { steps }, randomUUID())).runId;
  };
  const say = (questionId: string, value: unknown) => answer(base, questionId, { action: 'answer', value });
  const until = (text: string, state: TaskState) =>
    eventually(
      () => agent.states(`${text}\n`),
      ([newest]) => newest === state,
      { what: `the task in ${TaskState[state]}` },
    );

  it('takes each answer once, and works once, when the coordinator dies in between', { timeout: 90_000 }, async () => {
    const text = about('Workflows');
    const runId = await start(text);
    const question = await questionOf(base, runId);
    expect(question).toMatchObject({ prompt: 'How many sentences may the summary have?', actions: ['answer'] });
    await say(question.id, 'a few');
    await eventually(
      () => Promise.resolve(mesh.kills('coordinator')),
      (kills) => kills === 1,
      { what: 'the death of the coordinator when the answer was sent' },
    );
    const again = await nextQuestion(base, question);
    expect(again.prompt).toBe('"a few" is no number from 1 to 99. How many sentences?');
    agent.hold(true);
    await say(again.id, 2);
    await until(text, TaskState.TASK_STATE_WORKING);
    await mesh.kill('coordinator', { hold: true });
    agent.hold(false);
    await until(text, TaskState.TASK_STATE_COMPLETED);
    await mesh.up('coordinator');
    const summary = 'Workflows survive crashes. Crashes of Workflows lose nothing.';
    expect(await ended(base, runId)).toMatchObject({
      status: 'completed',
      output: {
        results: [{ output: { content: `${text}\n` } }, { output: summary }, {}],
        output: { content: `# Summary\n\n${summary}\n` },
      },
    });
    expect(agent.answers()).toEqual(['a few', '2']);
    expect(await agent.states(`${text}\n`)).toEqual([TaskState.TASK_STATE_COMPLETED]);
  });

  it('goes on after kill -9 of the agent while it waits for input', { timeout: 90_000 }, async () => {
    const text = about('Runs');
    const earlier = agent.answers().length;
    const runId = await start(text);
    const question = await questionOf(base, runId);
    await agent.kill();
    // Accepted now, brought to the agent when it is back.
    await say(question.id, 1);
    await agent.start();
    expect(await ended(base, runId)).toMatchObject({
      status: 'completed',
      output: { output: { content: expect.stringContaining('Runs') } },
    });
    expect(agent.answers().slice(earlier)).toEqual(['1']);
    expect(await agent.states(`${text}\n`)).toEqual([TaskState.TASK_STATE_COMPLETED]);
  });

  it('begins anew, after cancelling, when the agent died at work', { timeout: 120_000 }, async () => {
    const text = about('Agents');
    const earlier = agent.answers().length;
    agent.hold(true);
    const runId = await start(text, { timeout: '8s' });
    const question = await questionOf(base, runId);
    await say(question.id, 1);
    await until(text, TaskState.TASK_STATE_WORKING);
    await agent.kill();
    agent.hold(false);
    await agent.start();
    // Nothing happens at the agent; the time limit shows it.
    await say((await nextQuestion(base, question)).id, 2);
    expect(await ended(base, runId)).toMatchObject({ status: 'completed' });
    expect(agent.answers().slice(earlier)).toEqual(['1', '2']);
    const states = [TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_CANCELED];
    expect(await agent.states(`${text}\n`)).toEqual(states);
  });
});
