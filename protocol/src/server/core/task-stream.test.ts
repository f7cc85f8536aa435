import { TaskState } from '@a2a-js/sdk';
import { describe, expect, it, vi } from 'vitest';
import { textPart } from '../../parts.ts';
import { skill } from '../skill.ts';
import type { TaskEvent } from '../task-core.ts';
import { collect } from '../../testing/collect.ts';
import { gate, sendRequest, startCore, testFolder, text } from '../testing/test-agent.ts';

const call = { caller: 'anna' };

/** A task whose steps the test releases one by one. */
async function steppedTask(steps: number) {
  const limits = { drainMs: 50 };
  const gates = Array.from({ length: steps }, gate);
  const stepped = skill(text, async ({ task }) => {
    for (const [index, each] of gates.entries()) {
      await each.opened;
      await task.update(`step ${index}`);
    }
    return { text: 'done' };
  });
  const { core, stop } = await startCore(await testFolder(), { stepped }, { limits });
  const { id } = await core.sendMessage(sendRequest({ returnImmediately: true }), call);
  const generation = async (): Promise<number> => {
    const events = await core.subscribe(id, call).next();
    return events.value?.generation ?? 0;
  };
  return { core, stop, id, open: (step: number) => gates[step]?.open(), generation };
}

const generations = (events: readonly TaskEvent[]): number[] => events.map((event) => event.generation);
const kinds = (events: readonly TaskEvent[]): (string | undefined)[] =>
  events.map(({ response }) => response.payload?.$case);

describe('a stream', () => {
  it('begins with the task and continues without gap to the end, for every subscriber', async () => {
    const { core, id, open } = await steppedTask(3);
    open(0);
    const readers = [1, 2].map(() => collect(core.subscribe(id, call)));
    open(1);
    open(2);
    const [one = [], two = []] = await Promise.all(readers);
    expect(two).toEqual(one);
    expect(kinds(one)[0]).toBe('task');
    expect(generations(one)).toEqual(generations(one).map((_, index) => (one[0]?.generation ?? 0) + index));
    const last = one.at(-1)?.response.payload;
    expect(last).toMatchObject({ $case: 'statusUpdate', value: { status: { state: TaskState.TASK_STATE_COMPLETED } } });
  });

  it('resumed after a generation brings exactly what was missed, whether the task is running or over', async () => {
    const { core, id, open, generation } = await steppedTask(3);
    open(0);
    open(1);
    await vi.waitFor(async () => expect(await generation()).toBe(3));
    const early = collect(core.subscribe(id, { ...call, after: 2 }));
    open(2);
    expect(generations(await early)).toEqual([3, 4, 5, 6]);
    expect(generations(await collect(core.subscribe(id, { ...call, after: 4 })))).toEqual([5, 6]);
    expect(generations(await collect(core.subscribe(id, { ...call, after: 0 })))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await collect(core.subscribe(id, { ...call, after: 6 }))).toEqual([]);
  });

  it('starts over with the task when resumed after a generation that never was', async () => {
    const { core, id, open } = await steppedTask(1);
    const stream = core.subscribe(id, { ...call, after: 99 });
    expect((await stream.next()).value).toMatchObject({ generation: 1, response: { payload: { $case: 'task' } } });
    open(0);
    await stream.return(undefined);
  });

  it('is refused for a task that is over, unknown or of another caller', async () => {
    const { core, id, open } = await steppedTask(1);
    open(0);
    await collect(core.subscribe(id, call));
    await expect(core.subscribe(id, call).next()).rejects.toMatchObject({ code: 'TASK_TERMINAL' });
    await expect(core.subscribe('nobody', call).next()).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    await expect(core.subscribe(id, { caller: 'bert', after: 0 }).next()).rejects.toMatchObject({
      code: 'TASK_NOT_FOUND',
    });
  });

  it('stays open while the task waits for its caller, and ends with the task', async () => {
    const asking = skill(text, async ({ task, resumed }) => {
      if (!resumed) await task.ask({ prompt: 'May I?' });
      return { text: 'done' };
    });
    const { core } = await startCore(await testFolder(), { asking });
    const stream = core.streamMessage(sendRequest(), call);
    const first = (await stream.next()).value;
    const id = first?.response.payload?.$case === 'task' ? first.response.payload.value.id : '';
    expect((await stream.next()).value).toMatchObject({
      response: { payload: { value: { status: { state: TaskState.TASK_STATE_INPUT_REQUIRED } } } },
    });
    const rest = collect(stream);
    await core.sendMessage(sendRequest({ text: 'yes', message: { taskId: id } }), call);
    expect(kinds(await rest)).toEqual(['statusUpdate', 'artifactUpdate', 'statusUpdate']);
  });

  it('costs a slow reader nothing but time', async () => {
    const many = skill(text, async ({ task }) => {
      for (let n = 0; n < 300; n += 1) await task.artifact({ artifactId: `a${n}`, parts: [textPart(String(n))] });
      return { text: 'done' };
    });
    const { core } = await startCore(await testFolder(), { many });
    const stream = core.streamMessage(sendRequest(), call);
    const first = (await stream.next()).value;
    const id = first?.response.payload?.$case === 'task' ? first.response.payload.value.id : '';
    // The task finishes while this reader reads nothing.
    await vi.waitFor(async () => {
      const task = await core.getTask({ tenant: '', id }, call);
      expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    });
    const rest = await collect(stream);
    expect(generations(rest)).toEqual(Array.from({ length: 302 }, (_, index) => index + 2));
  });

  it('ends when its reader leaves, without disturbing the others or the task', async () => {
    const { core, id, open } = await steppedTask(2);
    const left = new AbortController();
    const leaving = collect(core.subscribe(id, { ...call, signal: left.signal }));
    const staying = collect(core.subscribe(id, call));
    left.abort();
    expect((await leaving).length).toBeLessThanOrEqual(1);
    open(0);
    open(1);
    expect((await staying).length).toBeGreaterThan(3);
  });

  it('is refused beyond the limit, and possible again when another has ended', async () => {
    const asking = skill(text, async ({ task }) => task.ask({ prompt: 'May I?' }));
    const { core } = await startCore(await testFolder(), { asking }, { limits: { maxStreams: 1 } });
    const { id } = await core.sendMessage(sendRequest(), call);
    const only = core.subscribe(id, call);
    await only.next();
    await expect(core.subscribe(id, call).next()).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    await only.return(undefined);
    const next = core.subscribe(id, call);
    expect((await next.next()).value).toMatchObject({ generation: 2 });
    await next.return(undefined);
  });

  it('ends at a shutdown, to be resumed at the next start', async () => {
    const { core, id, stop } = await steppedTask(1);
    const stream = collect(core.subscribe(id, call));
    await stop();
    expect(kinds(await stream)).toEqual(['task']);
  });
});
