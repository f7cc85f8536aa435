import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Task, TaskState } from '@a2a-js/sdk';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { newId } from '../ids.ts';
import { dataOf, textOf } from '../parts.ts';
import { testFolder } from './testing/test-agent.ts';

/** Whatever the moment of a `kill -9`, the next process brings the task to the outcome it would have had. */

interface Life {
  url: string;
  child: ChildProcess;
  died: Promise<unknown>;
}

async function startAgent(dataPath: string, environment: Record<string, string> = {}): Promise<Life> {
  const settings = JSON.stringify({ MESH_DATA: dataPath, MESH_LOG_LEVEL: 'info', ...environment });
  const script = join(import.meta.dirname, 'testing/crash-agent.ts');
  const child = spawn(process.execPath, [script, settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  const died = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await died;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === 'object' && entry !== null && 'url' in entry) return { url: String(entry.url), child, died };
  }
  throw new Error('the agent did not start');
}

const newMessage = (skill: string, fields: Record<string, unknown> = {}) => ({
  messageId: newId(),
  role: 'ROLE_USER',
  parts: [{ data: { skill, input: { text: 'x' } } }],
  ...fields,
});

async function call(life: Life, method: string, params: unknown): Promise<unknown> {
  const response = await fetch(`${life.url}/a2a/jsonrpc`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return z.object({ result: z.unknown() }).parse(await response.json()).result;
}

const send = async (life: Life, message: unknown, configuration = {}): Promise<Task> => {
  const result = await call(life, 'SendMessage', { message, configuration });
  return Task.fromJSON(z.object({ task: z.unknown() }).parse(result).task);
};

const effects = (folder: string): string[] => {
  const path = join(folder, 'effects.log');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
};

const { TASK_STATE_COMPLETED, TASK_STATE_FAILED } = TaskState;

it.each([
  { at: 'task-created', skill: 'pay', state: TASK_STATE_COMPLETED, times: 1 },
  { at: 'effect-intent', skill: 'pay', state: TASK_STATE_FAILED, times: 0 },
  { at: 'effect-intent', skill: 'pay-again', state: TASK_STATE_COMPLETED, times: 1 },
  { at: 'effect-done', skill: 'pay', state: TASK_STATE_FAILED, times: 1 },
  { at: 'effect-done', skill: 'pay-again', state: TASK_STATE_COMPLETED, times: 2 },
  { at: 'effect-stored', skill: 'pay', state: TASK_STATE_COMPLETED, times: 1 },
  { at: 'before-complete', skill: 'pay', state: TASK_STATE_COMPLETED, times: 1 },
])(
  'killed at $at, "$skill" ends as it must and its effect happened $times times',
  async ({ at, skill, state, times }) => {
    const folder = await testFolder();
    const message = newMessage(skill);
    const first = await startAgent(folder, { MESH_KILL_AT: at });
    await expect(send(first, message)).rejects.toThrow(/fetch failed|terminated/u);
    expect(await first.died).toEqual([null, 'SIGKILL']);
    // The point has fired in this folder; the next process goes on with the same settings.
    const second = await startAgent(folder, { MESH_KILL_AT: at });
    const task = await send(second, message);
    expect(task.status?.state).toBe(state);
    const failures = state === TASK_STATE_FAILED ? [{ error: { code: 'OUTCOME_UNKNOWN' } }] : [];
    expect(dataOf(task.status?.message?.parts)).toMatchObject(failures);
    expect(effects(folder)).toHaveLength(times);
    // A repeated effect carries the same key, by which its receiver knows it.
    expect(new Set(effects(folder)).size).toBe(Math.min(times, 1));
    expect(await call(second, 'ListTasks', {})).toMatchObject({ totalSize: 1 });
  },
);

it('killed after an answer was stored, the answer counts once', async () => {
  const folder = await testFolder();
  const first = await startAgent(folder, { MESH_KILL_AT: 'answer-stored' });
  const asked = await send(first, newMessage('ask'));
  const answer = newMessage('', { taskId: asked.id, parts: [{ text: 'approve' }] });
  await expect(send(first, answer)).rejects.toThrow(/fetch failed|terminated/u);
  await first.died;
  const second = await startAgent(folder);
  const task = await send(second, answer);
  expect([task.status?.state, textOf(task.artifacts[0]?.parts)]).toEqual([TASK_STATE_COMPLETED, 'kept']);
  expect(effects(folder)).toEqual(['answered']);
});

it('reaches a kill point the n-th time, and fires once for its data', async () => {
  const folder = await testFolder();
  const settings = { MESH_KILL_AT: 'before-complete:2' };
  const first = await startAgent(folder, settings);
  expect((await send(first, newMessage('pay'))).status?.state).toBe(TASK_STATE_COMPLETED);
  const message = newMessage('pay');
  await expect(send(first, message)).rejects.toThrow(/fetch failed|terminated/u);
  const second = await startAgent(folder, settings);
  expect((await send(second, message)).status?.state).toBe(TASK_STATE_COMPLETED);
  expect((await send(second, newMessage('pay'))).status?.state).toBe(TASK_STATE_COMPLETED);
});

it('killed while skills work, every task completes after the restart', async () => {
  const folder = await testFolder();
  const first = await startAgent(folder, { MESH_SKILL_DELAY: '10000' });
  const messages = Array.from({ length: 8 }, () => newMessage('pay'));
  await Promise.all(messages.map((message) => send(first, message, { returnImmediately: true })));
  first.child.kill('SIGKILL');
  await first.died;
  const second = await startAgent(folder);
  const tasks = await Promise.all(messages.map((message) => send(second, message)));
  expect(new Set(tasks.map((task) => task.status?.state))).toEqual(new Set([TASK_STATE_COMPLETED]));
  expect(effects(folder)).toHaveLength(8);
});

it('killed while it worked, a skill that may not be repeated fails', async () => {
  const folder = await testFolder();
  const first = await startAgent(folder, { MESH_SKILL_DELAY: '10000' });
  const message = newMessage('not-repeatable');
  await send(first, message, { returnImmediately: true });
  first.child.kill('SIGKILL');
  await first.died;
  const task = await send(await startAgent(folder), message);
  expect(dataOf(task.status?.message?.parts)).toMatchObject([{ error: { code: 'OUTCOME_UNKNOWN' } }]);
});

it('a task that kills its process is given up after three attempts', async () => {
  const folder = await testFolder();
  const message = newMessage('deadly');
  const first = await startAgent(folder);
  await expect(send(first, message)).rejects.toThrow(/fetch failed|terminated/u);
  await first.died;
  for (let restarts = 0; restarts < 2; restarts += 1) {
    const next = await startAgent(folder).catch(() => undefined);
    await next?.died;
  }
  const last = await startAgent(folder);
  const task = await send(last, message);
  expect(dataOf(task.status?.message?.parts)).toMatchObject([{ error: { code: 'ATTEMPTS_EXHAUSTED' } }]);
  expect(effects(folder)).toHaveLength(3);
});

it('stopped by SIGTERM, it drains, ends with code 0 and the task is finished by the next', async () => {
  const folder = await testFolder();
  const first = await startAgent(folder, { MESH_SKILL_DELAY: '10000' });
  const message = newMessage('not-repeatable');
  await send(first, message, { returnImmediately: true });
  first.child.kill('SIGTERM');
  expect(await first.died).toEqual([0, null]);
  const task = await send(await startAgent(folder), message);
  // An orderly shutdown is no attempt, so even this skill runs.
  expect(task.status?.state).toBe(TASK_STATE_COMPLETED);
});
