import { TaskState } from '@a2a-js/sdk';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { extensionUris } from '../../extensions.ts';
import { newId } from '../../ids.ts';
import { MeshError } from '../../mesh-error.ts';
import { dataOf, dataPart, textOf, textPart } from '../../parts.ts';
import { type Skill, skill, type SkillContext } from '../skill.ts';
import { collect } from '../../testing/collect.ts';
import { gate, sendRequest, startCore, testFolder, text } from '../testing/test-agent.ts';

const call = { caller: 'anna' };
const echo = skill(text, async ({ input }) => ({ text: `echo ${input.text}` }));
const asking = skill(text, async ({ input, task, resumed }) => {
  if (!resumed) await task.ask({ prompt: 'May I?', actions: ['approve', 'reject'] }, { state: { kept: 1 } });
  return { text: `${input.text} ${JSON.stringify(resumed)}` };
});

const isFailure = (value: unknown): value is { error: { code: string } } =>
  typeof value === 'object' && value !== null && 'error' in value;

const start = async (skills: Record<string, Skill>, options = {}) => {
  const { core } = await startCore(await testFolder(), skills, options);
  return core;
};

const counting = () => {
  let runs = 0;
  const release = gate();
  const slow = skill(text, async ({ input }) => {
    runs += 1;
    await release.opened;
    return { text: input.text };
  });
  return { slow, release, runs: () => runs };
};

const answer = (id: string, input: string, messageId = newId()) =>
  sendRequest({ text: input, message: { taskId: id, messageId } });

const to = (taskId: string, more = {}) => sendRequest({ message: { taskId, ...more } });

const ran = (name: string) => async (_context: SkillContext<unknown>) => ({ ran: name });

const byMetadata = (id: string) => ({ message: { metadata: { [extensionUris.skill]: { id } } } });

describe('a task', () => {
  it('completes with one artifact: the data, and its text', async () => {
    const core = await start({ echo });
    const task = await core.sendMessage(sendRequest({ text: 'hi' }), call);
    expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(task.artifacts).toHaveLength(1);
    expect(task.artifacts[0]?.name).toBe('echo');
    expect(dataOf(task.artifacts[0]?.parts)).toEqual([{ text: 'echo hi' }]);
    expect(textOf(task.artifacts[0]?.parts)).toBe('echo hi');
    expect(task.metadata?.[extensionUris.generation]).toEqual({ n: 3 });
    expect(await core.getTask({ tenant: '', id: task.id }, call)).toEqual(task);
  });

  it.each([
    [
      new MeshError('PEER_UNREACHABLE', 'the printer is off', { retryable: true }),
      'PEER_UNREACHABLE',
      'the printer is off',
      true,
    ],
    [new Error('secret detail'), 'INTERNAL', 'the skill failed; its agent has logged the reason', false],
  ])('fails with what its skill threw: %s', async (thrown, code, message, retryable) => {
    const core = await start({
      broken: skill(text, async () => {
        throw thrown;
      }),
    });
    const { status } = await core.sendMessage(sendRequest(), call);
    expect(status?.state).toBe(TaskState.TASK_STATE_FAILED);
    expect(textOf(status?.message?.parts)).toBe(message);
    expect(dataOf(status?.message?.parts)).toEqual([{ error: { code, message, retryable } }]);
  });

  it('fails when its skill returns what the schema refuses', async () => {
    const short = z.strictObject({ text: z.string().max(3) });
    const wrong = skill({ input: text.input, output: short }, async () => ({ text: 'too long' }));
    const core = await start({ wrong });
    const { status } = await core.sendMessage(sendRequest(), call);
    expect(dataOf(status?.message?.parts)).toMatchObject([{ error: { code: 'INVALID_OUTPUT' } }]);
  });

  it('fails when what its skill returns or keeps is no JSON', async () => {
    const loose = { input: z.strictObject({ text: z.string() }), output: z.object({ value: z.unknown() }) };
    const core = await start({
      returns: skill(loose, async () => ({ value: 1n })),
      keeps: skill(loose, async ({ task }) => task.ask({ prompt: 'May I?' }, { state: 1n })),
    });
    for (const id of ['returns', 'keeps']) {
      const { status } = await core.sendMessage(sendRequest({ ...byMetadata(id) }), call);
      expect(dataOf(status?.message?.parts)).toMatchObject([{ error: { code: 'INTERNAL' } }]);
    }
  });

  it('streams updates and artifacts, and joins appended text', async () => {
    const core = await start({
      writer: skill(text, async ({ task }) => {
        await task.update('thinking', { step: 1 });
        await task.artifact({ artifactId: 'draft', parts: [textPart('a')] });
        for (const letter of 'bcdefgh')
          await task.artifact({ artifactId: 'draft', parts: [textPart(letter)], append: true });
        return { text: 'done' };
      }),
    });
    const events = await collect(core.streamMessage(sendRequest(), call));
    expect(events.map(({ response }) => response.payload?.$case)).toEqual([
      'task',
      'statusUpdate',
      'artifactUpdate',
      'artifactUpdate',
      'artifactUpdate',
      'statusUpdate',
    ]);
    expect(events.map((event) => event.generation)).toEqual([1, 2, 3, 4, 5, 6]);
    const [first] = events;
    const id = first?.response.payload?.$case === 'task' ? first.response.payload.value.id : '';
    const task = await core.getTask({ tenant: '', id }, call);
    const draft = task.artifacts.find(({ artifactId }) => artifactId === 'draft');
    expect(textOf(draft?.parts).replaceAll('\n', '')).toBe('abcdefgh');
  });

  it('takes nothing more once its turn is over', async () => {
    const late: unknown[] = [];
    const finished = gate();
    const core = await start({
      late: skill(text, async ({ task }) => {
        setTimeout(() => {
          task.update('too late').catch((error: unknown) => late.push(error));
          finished.open();
        }, 20);
        return { text: 'done' };
      }),
    });
    const { id } = await core.sendMessage(sendRequest(), call);
    await finished.opened;
    await vi.waitFor(() => expect(late).toMatchObject([{ code: 'TASK_TERMINAL' }]));
    expect((await core.getTask({ tenant: '', id }, call)).metadata?.[extensionUris.generation]).toEqual({ n: 3 });
  });
});

describe('a message sent again', () => {
  it('is one task and one execution, in sequence and 20 at once, while it runs and after', async () => {
    const { slow, release, runs } = counting();
    const core = await start({ slow });
    const request = sendRequest({ returnImmediately: true });
    const first = await core.sendMessage(request, call);
    const more = await Promise.all(Array.from({ length: 20 }, () => core.sendMessage(request, call)));
    expect(new Set(more.map(({ id }) => id))).toEqual(new Set([first.id]));
    release.open();
    const blocking = { ...request, configuration: undefined };
    const done = await core.sendMessage(blocking, call);
    expect(done).toMatchObject({ id: first.id, status: { state: TaskState.TASK_STATE_COMPLETED } });
    expect(done.history).toHaveLength(1);
    expect(runs()).toBe(1);
  });

  it('is one task when all 20 arrive together first', async () => {
    const { slow, release, runs } = counting();
    const core = await start({ slow });
    release.open();
    const request = sendRequest();
    const tasks = await Promise.all(Array.from({ length: 20 }, () => core.sendMessage(request, call)));
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(1);
    expect(runs()).toBe(1);
  });

  it('is the same with other configuration and volatile metadata', async () => {
    const core = await start({ echo });
    const request = sendRequest();
    const { id } = await core.sendMessage(request, call);
    const message = request.message && { ...request.message, metadata: { traceparent: '00-1' } };
    const again = await core.sendMessage({ ...request, message, configuration: undefined }, call);
    expect(again.id).toBe(id);
  });

  it.each([
    ['another text', { parts: [textPart('other')] }],
    ['another context', { contextId: 'other' }],
    ['other references', { referenceTaskIds: ['other'] }],
    ['another skill', { metadata: { [extensionUris.skill]: { id: 'echo' } } }],
  ])('is refused with %s', async (_what, change) => {
    const core = await start({ echo });
    const request = sendRequest();
    await core.sendMessage(request, call);
    const changed = { ...request, message: request.message && { ...request.message, ...change } };
    await expect(core.sendMessage(changed, call)).rejects.toMatchObject({ code: 'MESSAGE_ID_REUSED' });
  });

  it('is another message when another caller sends it', async () => {
    const core = await start({ echo });
    const request = sendRequest();
    const mine = await core.sendMessage(request, call);
    expect((await core.sendMessage(request, { caller: 'bert' })).id).not.toBe(mine.id);
  });

  it('is a new task where the agent has idempotency switched off', async () => {
    const core = await start({ echo }, { idempotency: false });
    const request = sendRequest();
    const first = await core.sendMessage(request, call);
    expect((await core.sendMessage(request, call)).id).not.toBe(first.id);
  });
});

describe('waiting for a task', () => {
  it('ends at the bound of a blocking send, with the task as it is', async () => {
    const { opened, open } = gate();
    const core = await start(
      { slow: skill(text, () => opened.then(() => ({ text: 'x' }))) },
      { limits: { blockingSendMs: 30 } },
    );
    const task = await core.sendMessage(sendRequest(), call);
    expect(task.status?.state).toBe(TaskState.TASK_STATE_WORKING);
    open();
  });

  it('is not done with returnImmediately, unless the caller lingers', async () => {
    const core = await start({ echo });
    const quick = await core.sendMessage(sendRequest({ returnImmediately: true }), call);
    expect(quick.status?.state).toBe(TaskState.TASK_STATE_WORKING);
    const message = { metadata: { [extensionUris.linger]: { ms: 2_000 } } };
    const lingered = await core.sendMessage(sendRequest({ returnImmediately: true, message }), call);
    expect(lingered.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('leaves the task alone when the caller goes away', async () => {
    const { opened, open } = gate();
    const core = await start({ slow: skill(text, () => opened.then(() => ({ text: 'x' }))) });
    const gone = new AbortController();
    const waiting = core.sendMessage(sendRequest(), { ...call, signal: gone.signal });
    gone.abort();
    const { id } = await waiting;
    open();
    await vi.waitFor(async () => {
      const task = await core.getTask({ tenant: '', id }, call);
      expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    });
  });
});

describe('a question', () => {
  it('ends the turn, and its answer starts the next with the stored state', async () => {
    const core = await start({ asking });
    const asked = await core.sendMessage(sendRequest({ text: 'go' }), call);
    expect(asked.status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    const question = asked.status?.message?.metadata?.[extensionUris.question];
    expect(question).toMatchObject({ prompt: 'May I?', actions: ['approve', 'reject'] });
    expect(dataOf(asked.status?.message?.parts)).toEqual([question]);
    const done = await core.sendMessage(answer(asked.id, 'reject: too risky'), call);
    expect(textOf(done.artifacts[0]?.parts)).toBe(
      'go {"state":{"kept":1},"answer":{"action":"reject","reason":"too risky"}}',
    );
    expect(done.history.map(({ parts }) => textOf(parts).split('\n')[0])).toEqual([
      'go',
      'May I?',
      'reject: too risky',
    ]);
  });

  it('takes one of two answers at once, and tells the other', async () => {
    const core = await start({ asking });
    const { id } = await core.sendMessage(sendRequest(), call);
    const outcomes = await Promise.allSettled(
      ['approve', 'reject'].map((input) => core.sendMessage(answer(id, input), call)),
    );
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: expect.stringMatching(/QUESTION_CLOSED|TASK_TERMINAL/) },
    });
  });

  it('gives a repeated answer the task, also 20 at once and after the end', async () => {
    const core = await start({ asking });
    const { id } = await core.sendMessage(sendRequest(), call);
    const same = answer(id, 'approve');
    const tasks = await Promise.all(Array.from({ length: 20 }, () => core.sendMessage(same, call)));
    expect(new Set(tasks.map((task) => task.status?.state))).toEqual(new Set([TaskState.TASK_STATE_COMPLETED]));
    const after = await core.sendMessage(same, call);
    expect(after.history.filter(({ parts }) => textOf(parts) === 'approve')).toHaveLength(1);
  });

  it('is never answered by an approval meant for the one before', async () => {
    const twice = skill(text, async ({ task, resumed }) => {
      const step = typeof resumed?.state === 'number' ? resumed.state : 0;
      if (step < 2) await task.ask({ prompt: `step ${step}`, actions: ['approve', 'answer'] }, { state: step + 1 });
      return { text: 'done' };
    });
    const core = await start({ twice });
    const first = await core.sendMessage(sendRequest(), call);
    const firstQuestion = dataOf(first.status?.message?.parts)[0];
    await core.sendMessage(answer(first.id, 'approve'), call);
    // The same decision once more: by another message it would approve what nobody has seen.
    await expect(core.sendMessage(answer(first.id, 'approve'), call)).rejects.toMatchObject({
      code: 'QUESTION_ID_REQUIRED',
    });
    const { id: closedId } = z.object({ id: z.string() }).parse(firstQuestion);
    await expect(core.sendMessage(answer(first.id, `approve ${closedId}`), call)).rejects.toMatchObject({
      code: 'QUESTION_CLOSED',
    });
    const done = await core.sendMessage(answer(first.id, 'just go on'), call);
    expect(done.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('refuses an answer that does not fit, and stays open', async () => {
    const core = await start({ asking });
    const { id } = await core.sendMessage(sendRequest(), call);
    await expect(core.sendMessage(answer(id, 'maybe'), call)).rejects.toMatchObject({ code: 'ANSWER_INVALID' });
    const done = await core.sendMessage(answer(id, 'approve'), call);
    expect(done.history).toHaveLength(3);
    expect(done.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
  });

  it('has one outcome when answer and deadline meet', async () => {
    for (let round = 0; round < 5; round += 1) {
      const timed = skill(text, async ({ task, resumed }) => {
        if (!resumed) await task.ask({ prompt: 'Quick!', actions: ['approve'] }, { timeoutMs: 25 });
        return { text: 'in time' };
      });
      const core = await start({ timed });
      const { id } = await core.sendMessage(sendRequest(), call);
      await new Promise((resolve) => setTimeout(resolve, 20 + round * 2));
      const outcome = await core.sendMessage(answer(id, 'approve'), call).then(
        (task) => task.status?.state,
        (error: MeshError) => error.code,
      );
      const { status } = await core.getTask({ tenant: '', id }, call);
      const [failure] = dataOf(status?.message?.parts);
      expect([
        { outcome: TaskState.TASK_STATE_COMPLETED, state: TaskState.TASK_STATE_COMPLETED },
        { outcome: 'TASK_TERMINAL', state: TaskState.TASK_STATE_FAILED, code: 'DEADLINE_EXCEEDED' },
      ]).toContainEqual({ outcome, state: status?.state, ...(isFailure(failure) && { code: failure.error.code }) });
    }
  });

  it('fails the task when nobody answers in time', async () => {
    const timed = skill(text, async ({ task }) => task.ask({ prompt: 'Quick!' }, { timeoutMs: 20 }));
    const core = await start({ timed });
    const { id, status } = await core.sendMessage(sendRequest(), call);
    expect(dataOf(status?.message?.parts)[0]).toMatchObject({ deadline: expect.any(String) });
    await vi.waitFor(async () => {
      const task = await core.getTask({ tenant: '', id }, call);
      expect(dataOf(task.status?.message?.parts)).toMatchObject([{ error: { code: 'DEADLINE_EXCEEDED' } }]);
    });
  });
});

describe('messages that fit no task', () => {
  it('are refused: to a working, terminal, unknown or foreign task, or with another context', async () => {
    const { opened, open } = gate();
    const slow = skill(text, () => opened.then(() => ({ text: 'x' })));
    const core = await start({ slow });
    const working = await core.sendMessage(sendRequest({ returnImmediately: true }), call);
    await expect(core.sendMessage(to(working.id), call)).rejects.toMatchObject({ code: 'TASK_BUSY' });
    await expect(core.sendMessage(to(working.id, { contextId: 'x' }), call)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    const unknown = await core.sendMessage(to('nobody'), call).catch((error: MeshError) => error);
    const foreign = await core.sendMessage(to(working.id), { caller: 'bert' }).catch((error: MeshError) => error);
    expect([unknown, foreign]).toMatchObject([{ code: 'TASK_NOT_FOUND' }, { code: 'TASK_NOT_FOUND' }]);
    open();
    await vi.waitFor(() =>
      expect(core.sendMessage(to(working.id), call)).rejects.toMatchObject({ code: 'TASK_TERMINAL' }),
    );
  });
});

describe('cancel', () => {
  it('aborts the running skill and is idempotent', async () => {
    const aborted: unknown[] = [];
    const core = await start({
      slow: skill(
        text,
        ({ task }) =>
          new Promise((_resolve, reject) => {
            task.signal.addEventListener('abort', () => {
              aborted.push(task.signal.reason);
              reject(new Error('stopped'));
            });
          }),
      ),
    });
    const { id } = await core.sendMessage(sendRequest({ returnImmediately: true }), call);
    const canceled = await core.cancelTask({ tenant: '', id, metadata: undefined }, call);
    expect(canceled.status?.state).toBe(TaskState.TASK_STATE_CANCELED);
    await vi.waitFor(() => expect(aborted).toMatchObject([{ code: 'CANCELED' }]));
    expect(await core.cancelTask({ tenant: '', id, metadata: undefined }, call)).toEqual(canceled);
    expect(await core.getTask({ tenant: '', id }, call)).toEqual(canceled);
  });

  it('ends a task that waits for its caller, and its question', async () => {
    const core = await start({ asking });
    const { id } = await core.sendMessage(sendRequest(), call);
    await core.cancelTask({ tenant: '', id, metadata: undefined }, call);
    const approve = sendRequest({ text: 'approve', message: { taskId: id } });
    await expect(core.sendMessage(approve, call)).rejects.toMatchObject({ code: 'TASK_TERMINAL' });
  });

  it('is refused for finished, unknown and foreign tasks', async () => {
    const core = await start({ echo });
    const { id } = await core.sendMessage(sendRequest(), call);
    const cancel = (taskId: string, caller = 'anna') =>
      core.cancelTask({ tenant: '', id: taskId, metadata: undefined }, { caller });
    await expect(cancel(id)).rejects.toMatchObject({ code: 'TASK_NOT_CANCELABLE' });
    await expect(cancel('nobody')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    await expect(cancel(id, 'bert')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
  });
});

describe('time limits', () => {
  it('fail a skill that takes too long, and abort it', async () => {
    let reason: unknown;
    const core = await start({
      slow: skill(
        text,
        ({ task }) =>
          new Promise((_resolve, reject) => {
            task.signal.addEventListener('abort', () => {
              reason = task.signal.reason;
              reject(new Error('stopped'));
            });
          }),
        { timeoutMs: 20 },
      ),
    });
    const { status } = await core.sendMessage(sendRequest(), call);
    expect(dataOf(status?.message?.parts)).toMatchObject([{ error: { code: 'DEADLINE_EXCEEDED' } }]);
    await vi.waitFor(() => expect(reason).toMatchObject({ code: 'DEADLINE_EXCEEDED' }));
  });
});

describe('many tasks', () => {
  it('run within the limit, the others wait as SUBMITTED and all complete', async () => {
    let running = 0;
    let most = 0;
    const { opened, open } = gate();
    const slow = skill(text, async ({ input }) => {
      running += 1;
      most = Math.max(most, running);
      await opened;
      running -= 1;
      return { text: input.text };
    });
    const core = await start({ slow }, { limits: { maxRunning: 3 } });
    const tasks = await Promise.all(
      Array.from({ length: 10 }, () => core.sendMessage(sendRequest({ returnImmediately: true }), call)),
    );
    const states = tasks.map((task) => task.status?.state);
    expect(states.filter((state) => state === TaskState.TASK_STATE_WORKING)).toHaveLength(3);
    expect(states.filter((state) => state === TaskState.TASK_STATE_SUBMITTED)).toHaveLength(7);
    open();
    await vi.waitFor(async () => {
      const { tasks: done } = await core.listTasks(list({ status: TaskState.TASK_STATE_COMPLETED }), call);
      expect(done).toHaveLength(10);
    });
    expect(most).toBe(3);
  });

  it('are never executed when they were canceled while they waited', async () => {
    const { slow, release, runs } = counting();
    const core = await start({ slow }, { limits: { maxRunning: 1 } });
    const send = () => core.sendMessage(sendRequest({ returnImmediately: true }), call);
    const [, canceled, last] = [await send(), await send(), await send()];
    await core.cancelTask({ tenant: '', id: canceled.id, metadata: undefined }, call);
    release.open();
    await vi.waitFor(async () => {
      const { status } = await core.getTask({ tenant: '', id: last.id }, call);
      expect(status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    });
    expect((await core.getTask({ tenant: '', id: canceled.id }, call)).status?.state).toBe(
      TaskState.TASK_STATE_CANCELED,
    );
    expect(runs()).toBe(2);
  });

  it('are refused beyond the limit of open ones', async () => {
    const { opened, open } = gate();
    const slow = skill(text, () => opened.then(() => ({ text: 'x' })));
    const core = await start({ slow }, { limits: { maxRunning: 1, maxOpen: 2 } });
    const send = () => core.sendMessage(sendRequest({ returnImmediately: true }), call);
    await send();
    await send();
    await expect(send()).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryable: true });
    open();
  });
});

const list = (fields = {}) => ({
  tenant: '',
  contextId: '',
  status: TaskState.TASK_STATE_UNSPECIFIED,
  pageToken: '',
  statusTimestampAfter: undefined,
  ...fields,
});

describe('ListTasks', () => {
  it('pages with opaque tokens and keeps callers apart', async () => {
    const core = await start({ echo });
    for (let n = 0; n < 5; n += 1) await core.sendMessage(sendRequest({ text: String(n) }), call);
    await core.sendMessage(sendRequest(), { caller: 'bert' });
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await core.listTasks(list({ pageSize: 2, pageToken }), call);
      expect(page).toMatchObject({ totalSize: 5, pageSize: 2 });
      seen.push(...page.tasks.map(({ history }) => textOf(history[0]?.parts)));
      expect(page.tasks.every(({ artifacts }) => artifacts.length === 0)).toBe(true);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(seen).toEqual(['4', '3', '2', '1', '0']);
    const [whole] = (await core.listTasks(list({ pageSize: 0, includeArtifacts: true }), call)).tasks;
    expect(whole?.artifacts).toHaveLength(1);
    await expect(core.listTasks(list({ pageToken: 'forged' }), call)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('choosing the skill', () => {
  const pair = z.strictObject({ a: z.number() });
  const out = z.strictObject({ ran: z.string() });
  const skills = {
    first: skill({ input: text.input, output: out }, ran('first')),
    second: skill({ input: pair, output: out }, ran('second')),
    third: skill({ input: z.strictObject({ a: z.number(), b: z.number().optional() }), output: out }, ran('third')),
    last: skill({ input: z.strictObject({ only: z.string() }), output: out }, ran('last')),
  };
  const run = async (fields: Parameters<typeof sendRequest>[0]) => {
    const core = await start(skills);
    const task = await core.sendMessage(sendRequest(fields), call);
    return dataOf(task.artifacts[0]?.parts)[0];
  };
  it('follows the extension, then the data part, then the only schema that fits, then the text', async () => {
    expect(await run({ data: { a: 1 }, ...byMetadata('third') })).toEqual({ ran: 'third' });
    expect(await run({ data: { skill: 'second', input: { a: 1 } } })).toEqual({ ran: 'second' });
    expect(await run({ data: { only: 'x' } })).toEqual({ ran: 'last' });
    expect(await run({ text: 'just words' })).toEqual({ ran: 'first' });
  });

  it('says what is missing where several or no skills fit', async () => {
    const details = expect.objectContaining({ candidates: ['first', 'second', 'third', 'last'] });
    await expect(run({ data: { a: 1 } })).rejects.toMatchObject({ code: 'SKILL_REQUIRED', details });
    await expect(run({ data: { nothing: 1 } })).rejects.toMatchObject({ code: 'SKILL_REQUIRED', details });
    await expect(run(byMetadata('nope'))).rejects.toMatchObject({ code: 'SKILL_NOT_FOUND', details });
    await expect(run({ data: { skill: 'constructor', input: {} } })).rejects.toMatchObject({ code: 'SKILL_NOT_FOUND' });
    await expect(run({ parts: [dataPart({ a: 1 }), dataPart({ a: 2 })] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('names the path of what does not fit', async () => {
    await expect(run({ data: { skill: 'second', input: { a: 'x' } } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('a: '),
      details: { skill: 'second', path: 'a' },
    });
    const core = await start({ echo });
    await expect(core.sendMessage(sendRequest({ data: { text: 1 } }), call)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { path: 'text' },
    });
  });
});
