import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Task, TaskState } from '@a2a-js/sdk';
import { afterEach, describe, expect, it } from 'vitest';
import { taskError, taskQuestion, taskResult } from '../client/index.ts';
import { extensionUris } from '../extensions.ts';
import type { TaskCore } from '../server/task-core.ts';
import { sendRequest, startCore, testFolder } from '../server/testing/test-agent.ts';
import { type ModelEndpoint, startModelEndpoint } from '../testing/model-endpoint/model-endpoint.ts';
import type { ModelReply } from '../testing/model-endpoint/model-reply.ts';
import { modelFromEnvironment } from './index.ts';
import { errandSkills } from './testing/errand-agent.ts';

const call = { caller: 'anna' };
const { TASK_STATE_COMPLETED, TASK_STATE_INPUT_REQUIRED } = TaskState;

let endpoint: ModelEndpoint | undefined;
afterEach(async () => {
  await endpoint?.[Symbol.asyncDispose]();
  endpoint = undefined;
});

async function startPorter(folder?: string, script?: [ModelReply, ...ModelReply[]]) {
  const home = folder ?? (await testFolder());
  if (script) endpoint = await startModelEndpoint(...script);
  const model = () =>
    modelFromEnvironment(endpoint ? { OPENAI_BASE_URL: endpoint.baseUrl, MESH_MODEL: 'test-model' } : {});
  return { folder: home, ...(await startCore(home, errandSkills(home, model))) };
}

const start = (core: TaskCore, skill: string, input: object): Promise<Task> =>
  core.sendMessage(sendRequest({ data: { skill, input } }), call);

const answer = (core: TaskCore, task: Task, data: object): Promise<Task> =>
  core.sendMessage(
    sendRequest({ data: { questionId: taskQuestion(task)?.id, ...data }, message: { taskId: task.id } }),
    call,
  );

const effects = (folder: string): string[] => {
  const path = join(folder, 'effects.log');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
};
const opened = (folder: string): string[] => effects(folder).filter((line) => line.startsWith('open'));

describe('a tool that needs approval', () => {
  it('becomes a question that shows the call, and runs once it is approved', async () => {
    const { core, folder } = await startPorter();
    const asked = await start(core, 'open', { room: 'r1' });
    expect(asked.status?.state).toBe(TASK_STATE_INPUT_REQUIRED);
    expect(taskQuestion(asked)).toMatchObject({
      prompt: 'May porter use open_door with {"door":"r1-door","minutes":2}? Opens one door of the building',
      actions: ['approve', 'edit', 'reject'],
      arguments: { tool: 'open_door', arguments: { door: 'r1-door', minutes: 2 } },
      schema: { type: 'object', properties: { door: { type: 'string' } } },
    });
    expect(taskQuestion(asked)?.id.length).toBeLessThanOrEqual(63);
    expect(opened(folder)).toEqual([]);
    const done = await answer(core, asked, { action: 'approve' });
    expect(done.status?.state).toBe(TASK_STATE_COMPLETED);
    expect(taskResult(done)).toMatchObject({
      door: 'r1-door',
      opened: true,
      model: 'offline',
      calls: [
        { tool: 'find_door', result: { door: 'r1-door' } },
        { tool: 'open_door', result: { opened: true }, decision: { approved: true } },
      ],
    });
    expect(effects(folder)).toEqual(['find r1', expect.stringMatching(/^open r1-door 2 /)]);
  });

  it('does not run when it is rejected; the model learns why, and does not try again', async () => {
    const { core, folder } = await startPorter();
    const asked = await start(core, 'open', { room: 'r1' });
    const done = await answer(core, asked, { action: 'reject', reason: 'it is night' });
    expect(taskResult(done)).toMatchObject({
      opened: null,
      text: expect.stringContaining('open_door was rejected: it is night.'),
      calls: [{}, { decision: { approved: false, reason: 'it is night' }, result: { rejected: true } }],
    });
    expect(opened(folder)).toEqual([]);
  });

  it('runs with the arguments a person changed, and the model is told', async () => {
    const { core, folder } = await startPorter();
    const asked = await start(core, 'open', { room: 'r1' });
    const done = await answer(core, asked, { action: 'edit', value: { door: 'r2-door', minutes: 5 } });
    expect(opened(folder)).toEqual([expect.stringMatching(/^open r2-door 5 /)]);
    expect(taskResult(done)).toMatchObject({
      door: 'r2-door',
      calls: [{}, { arguments: { door: 'r2-door', minutes: 5 }, result: { note: 'a person changed the arguments' } }],
    });
  });

  it('refuses edited arguments that its schema refuses, and stays open', async () => {
    const { core, folder } = await startPorter();
    const asked = await start(core, 'open', { room: 'r1' });
    for (const value of [{ door: 'r2-door', minutes: 50 }, { door: 1, minutes: 1 }, 'r2-door', { minutes: 1 }]) {
      await expect(answer(core, asked, { action: 'edit', value })).rejects.toMatchObject({ code: 'ANSWER_INVALID' });
    }
    expect(opened(folder)).toEqual([]);
    expect((await answer(core, asked, { action: 'approve' })).status?.state).toBe(TASK_STATE_COMPLETED);
  });

  it('is asked about once for each of several calls at once, before any of them runs', async () => {
    const { core, folder } = await startPorter();
    const first = await start(core, 'open-all', { rooms: ['r1', 'r2', 'r3'] });
    const second = await answer(core, first, { action: 'approve' });
    const third = await answer(core, second, { action: 'reject' });
    expect(opened(folder)).toEqual([]);
    const questions = [first, second, third].map((task) => taskQuestion(task));
    expect(new Set(questions.map((question) => question?.id)).size).toBe(3);
    const done = await answer(core, third, { action: 'edit', value: { door: 'back', minutes: 1 } });
    expect(done.status?.state).toBe(TASK_STATE_COMPLETED);
    expect(opened(folder).map((line) => line.split(' ')[1])).toEqual(['r1-door', 'back']);
  });

  it('is asked about again by another process, which goes on with the run', async () => {
    const first = await startPorter();
    const asked = await start(first.core, 'open', { room: 'r1' });
    await first.stop();
    const second = await startPorter(first.folder);
    const done = await answer(second.core, asked, { action: 'approve' });
    expect(taskResult(done)).toMatchObject({ opened: true });
    // What ran before the question does not run again.
    expect(effects(first.folder)).toEqual(['find r1', expect.stringMatching(/^open r1-door 2 /)]);
  });

  it('may belong to an agent the run was handed over to', async () => {
    const first = await startPorter();
    const asked = await start(first.core, 'open-by-another', { room: 'r1', door: 'r1-door' });
    expect(taskQuestion(asked)).toMatchObject({
      prompt: expect.stringContaining('May Keyholder use open_door with {'),
      assignee: 'guard',
      deadline: expect.any(String),
    });
    await first.stop();
    const second = await startPorter(first.folder);
    expect(taskResult(await answer(second.core, asked, { action: 'approve' }))).toMatchObject({ opened: true });
    expect(opened(first.folder)).toHaveLength(1);
  });

  it('counts what the model took over all turns of the run', async () => {
    const { core } = await startPorter(undefined, [
      { calls: [{ name: 'open_door', arguments: { door: 'd1', minutes: 1 } }] },
      { answer: JSON.stringify({ door: 'd1', opened: true, text: 'Opened.' }) },
    ]);
    const done = await answer(core, await start(core, 'open', { room: 'r1' }), { action: 'approve' });
    const result = done.artifacts.at(-1);
    expect(result?.metadata).toEqual({
      [extensionUris.usage]: { model: 'test-model', requests: 2, inputTokens: 22, outputTokens: 14 },
    });
    expect(result?.extensions).toEqual([extensionUris.usage]);
  });

  it.each([
    ['do not fit', { door: 'd1', minutes: 50 }],
    ['are broken', '{"door":'],
    ['are missing', ''],
  ])('is not asked about where its arguments %s: the model is told, and may call it again', async (_, wrong) => {
    const { core, folder } = await startPorter(undefined, [
      { calls: [{ name: 'open_door', arguments: wrong }] },
      { calls: [{ name: 'open_door', arguments: { door: 'd1', minutes: 5 } }] },
      { answer: JSON.stringify({ door: 'd1', opened: true, text: 'Opened.' }) },
    ]);
    const asked = await start(core, 'open', { room: 'r1' });
    expect(JSON.stringify(endpoint?.requests[1])).toContain('INVALID_ARGUMENT');
    expect(taskQuestion(asked)).toMatchObject({ arguments: { arguments: { minutes: 5 } } });
    await answer(core, asked, { action: 'approve' });
    expect(opened(folder)).toEqual([expect.stringMatching(/^open d1 5 /)]);
  });

  it('tells a model that reuses the id of a decided call for another one that it may not', async () => {
    const { core, folder } = await startPorter(undefined, [
      { calls: [{ id: 'c1', name: 'open_door', arguments: { door: 'd1', minutes: 1 } }] },
      { calls: [{ id: 'c1', name: 'open_door', arguments: { door: 'vault', minutes: 9 } }] },
    ]);
    const asked = await start(core, 'open', { room: 'r1' });
    const failed = await answer(core, asked, { action: 'approve' });
    expect(taskError(failed)).toMatchObject({ details: { code: 'INVALID_OUTPUT' } });
    expect(opened(folder).map((line) => line.split(' ')[1])).toEqual(['d1']);
  });
});

describe('a tool that acts without approval', () => {
  it('acts once where its turn is repeated, even if the model names its calls anew', async () => {
    const actAndFail: [ModelReply, ...ModelReply[]] = [
      { calls: [{ id: 'c1', name: 'open_door', arguments: { door: 'd1', minutes: 1 } }] },
      { silent: true },
    ];
    const first = await startPorter(undefined, actAndFail);
    const request = sendRequest({ data: { skill: 'open-freely', input: { room: 'r1' } }, returnImmediately: true });
    const { id } = await first.core.sendMessage(request, call);
    await expect.poll(() => endpoint?.requests.length, { timeout: 20_000 }).toBe(2);
    await first.stop();
    await endpoint?.[Symbol.asyncDispose]();
    const second = await startPorter(first.folder, [
      { calls: [{ id: 'c2', name: 'open_door', arguments: { door: 'd1', minutes: 1 } }] },
      { answer: JSON.stringify({ door: 'd1', opened: true, text: 'Opened.' }) },
    ]);
    await expect
      .poll(async () => (await second.core.getTask({ tenant: '', id }, call)).status?.state, { timeout: 20_000 })
      .toBe(TASK_STATE_COMPLETED);
    expect(opened(first.folder)).toHaveLength(1);
  });
});
