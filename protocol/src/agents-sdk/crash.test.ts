import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TaskState } from '@a2a-js/sdk';
import { expect, it, onTestFinished } from 'vitest';
import { AgentClient, taskError, taskQuestion, taskResult } from '../client/index.ts';
import { testFolder } from '../server/testing/test-agent.ts';

/** A run that waits for a person outlives its process, and what the person approved happens once. */

interface Life {
  client: AgentClient;
  child: ChildProcess;
  died: Promise<unknown>;
}

async function startPorter(dataPath: string, killAt?: string): Promise<Life> {
  const settings = { MESH_DATA: dataPath, MESH_LOG_LEVEL: 'info', ...(killAt && { MESH_KILL_AT: killAt }) };
  const script = join(import.meta.dirname, 'testing/crash-porter.ts');
  const child = spawn(process.execPath, [script, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const died = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await died;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const entry: unknown = JSON.parse(line);
    if (typeof entry === 'object' && entry !== null && 'url' in entry) {
      return { client: await AgentClient.connect(String(entry.url)), child, died };
    }
  }
  throw new Error('the agent did not start');
}

const effects = (folder: string): string[] => readFileSync(join(folder, 'effects.log'), 'utf8').trim().split('\n');
const opened = (folder: string): string[] => effects(folder).filter((line) => line.startsWith('open'));

const unknown = { code: 'OUTCOME_UNKNOWN', result: undefined };
const opens = { code: undefined, result: { door: 'r1-door', opened: true } };

it.each([
  { at: 'effect-done', skill: 'open', times: 1, outcome: unknown },
  { at: 'effect-done', skill: 'open-again', times: 2, outcome: opens },
  { at: 'effect-stored', skill: 'open', times: 1, outcome: opens },
])('killed while it waits and then at $at, "$skill" acted $times times', async ({ at, skill, times, outcome }) => {
  const folder = await testFolder();
  const first = await startPorter(folder);
  const asked = await first.client.send({ skill, input: { room: 'r1' }, blocking: true });
  expect(asked.status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
  first.child.kill('SIGKILL');
  await first.died;

  const second = await startPorter(folder, at);
  const questionId = taskQuestion(asked)?.id ?? '';
  const approve = (client: AgentClient) =>
    client.answer(asked.id, { questionId, action: 'approve' }, { messageId: 'm1', blocking: true });
  await expect(approve(second.client)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
  expect(await second.died).toEqual([null, 'SIGKILL']);

  const third = await startPorter(folder);
  const done = await approve(third.client);
  expect({ code: taskError(done)?.details?.['code'], result: taskResult(done) }).toMatchObject(outcome);
  expect(effects(folder).filter((line) => line.startsWith('find'))).toEqual(['find r1']);
  expect(opened(folder)).toHaveLength(times);
  // A repeated effect carries the same key, by which its receiver knows it.
  expect(new Set(opened(folder)).size).toBe(1);
});
