import { TaskState } from '@a2a-js/sdk';
import { describe, expect, it, vi } from 'vitest';
import { extensionUris } from '../../extensions.ts';
import { MeshError } from '../../mesh-error.ts';
import { dataOf, textOf } from '../../parts.ts';
import { type SkillOptions, skill, type TaskHandle } from '../skill.ts';
import type { TaskCore } from '../task-core.ts';
import { gate, sendRequest, startCore, testFolder, text } from '../testing/test-agent.ts';

const call = { caller: 'anna' };
const get = (core: TaskCore, id: string) => core.getTask({ tenant: '', id }, call);
const settled = (core: TaskCore, id: string) =>
  vi.waitFor(async () => {
    const task = await get(core, id);
    expect(task.artifacts.length + (task.status?.message?.parts.length ?? 0)).toBeGreaterThan(0);
    return task;
  });

/** A skill that blocks in its first life and answers in the next. */
function restartable(options: SkillOptions = {}) {
  const life = { current: 1, runs: 0 };
  const work = skill(
    text,
    async ({ task, input }) => {
      life.runs += 1;
      if (life.current === 1) await aborted(task);
      return { text: `${input.text} in life ${life.current}` };
    },
    options,
  );
  return { life, skills: { work } };
}

const aborted = (task: TaskHandle): Promise<never> =>
  new Promise((_resolve, reject) => {
    task.signal.addEventListener('abort', () => reject(task.signal.reason));
  });

describe('after an orderly shutdown', () => {
  it('a task that was running runs again, and the attempt is not counted', async () => {
    const { life, skills } = restartable({ maxAttempts: 1 });
    const folder = await testFolder();
    const before = await startCore(folder, skills);
    const { id } = await before.core.sendMessage(sendRequest({ returnImmediately: true }), call);
    await vi.waitFor(() => expect(life.runs).toBe(1));
    await before.stop();
    life.current = 2;
    const { core } = await startCore(folder, skills);
    expect(textOf((await settled(core, id)).artifacts[0]?.parts)).toBe('hello in life 2');
    expect(life.runs).toBe(2);
  });

  it('tasks that had not started do, in their order', async () => {
    const { life, skills } = restartable();
    const folder = await testFolder();
    const before = await startCore(folder, skills, { limits: { maxRunning: 1 } });
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      ids.push((await before.core.sendMessage(sendRequest({ returnImmediately: true }), call)).id);
    }
    await before.stop();
    life.current = 2;
    const { core } = await startCore(folder, skills, { limits: { maxRunning: 1 } });
    for (const id of ids) expect(textOf((await settled(core, id)).artifacts[0]?.parts)).toContain('life 2');
  });

  it('refuses new messages while it goes down', async () => {
    const { core, stop } = await startCore(await testFolder(), { echo: skill(text, async ({ input }) => input) });
    const stopped = stop();
    await expect(core.sendMessage(sendRequest(), call)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    await stopped;
  });

  it('does not wait for ever for a skill that ignores its signal', async () => {
    const deaf = skill(text, () => new Promise(() => undefined));
    const { core, stop } = await startCore(await testFolder(), { deaf }, { limits: { drainMs: 20 } });
    await core.sendMessage(sendRequest({ returnImmediately: true }), call);
    await expect(stop()).resolves.toBeUndefined();
  });

  it('a question is still open, and its answer finds the stored state', async () => {
    const folder = await testFolder();
    const asking = skill(text, async ({ task, resumed }) => {
      if (!resumed) await task.ask({ prompt: 'May I?', actions: ['approve'] }, { state: { kept: true } });
      return { text: JSON.stringify(resumed?.state) };
    });
    const before = await startCore(folder, { asking });
    const { id } = await before.core.sendMessage(sendRequest(), call);
    await before.stop();
    const { core } = await startCore(folder, { asking });
    expect((await get(core, id)).status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    const done = await core.sendMessage(sendRequest({ text: 'approve', message: { taskId: id } }), call);
    expect(textOf(done.artifacts[0]?.parts)).toBe('{"kept":true}');
  });

  it('a deadline that passed meanwhile fires', async () => {
    const folder = await testFolder();
    const asking = skill(text, async ({ task }) => task.ask({ prompt: 'May I?' }, { timeoutMs: 30 }));
    const before = await startCore(folder, { asking });
    const { id } = await before.core.sendMessage(sendRequest(), call);
    const deadlineAtMs = Date.now() + 30;
    await before.stop();
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(deadlineAtMs));
    const { core } = await startCore(folder, { asking });
    expect(dataOf((await get(core, id)).status?.message?.parts)).toMatchObject([
      { error: { code: 'DEADLINE_EXCEEDED' } },
    ]);
  });

  it('a deadline still to come fires too', async () => {
    const folder = await testFolder();
    const asking = skill(text, async ({ task }) => task.ask({ prompt: 'May I?' }, { timeoutMs: 200 }));
    const before = await startCore(folder, { asking });
    const { id } = await before.core.sendMessage(sendRequest(), call);
    await before.stop();
    const { core } = await startCore(folder, { asking });
    expect((await get(core, id)).status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    await vi.waitFor(async () => expect((await get(core, id)).status?.state).toBe(TaskState.TASK_STATE_FAILED));
  });

  it('a task whose skill is gone fails', async () => {
    const { skills } = restartable();
    const folder = await testFolder();
    const before = await startCore(folder, skills);
    const { id } = await before.core.sendMessage(sendRequest({ returnImmediately: true }), call);
    await before.stop();
    const { core } = await startCore(folder, { other: skill(text, async ({ input }) => input) });
    expect(dataOf((await settled(core, id)).status?.message?.parts)).toMatchObject([
      { error: { code: 'SKILL_NOT_FOUND' } },
    ]);
  });
});

describe('task.once', () => {
  const withKey = { message: { metadata: { [extensionUris.idempotency]: { effectKey: 'order-7' } } } };

  it('runs an effect once for all attempts of a call, also in tasks of their own', async () => {
    let effects = 0;
    let isBroken = true;
    const keys = new Set<string>();
    const pay = skill(text, async ({ task }) => {
      const receipt = await task.once('pay', async () => {
        effects += 1;
        keys.add(task.idempotencyKey('pay'));
        return { receipt: effects };
      });
      if (isBroken) throw new MeshError('PEER_UNREACHABLE', 'the printer is off');
      keys.add(task.idempotencyKey('pay'));
      return { text: JSON.stringify(receipt) };
    });
    const { core } = await startCore(await testFolder(), { pay });
    expect((await core.sendMessage(sendRequest(withKey), call)).status?.state).toBe(TaskState.TASK_STATE_FAILED);
    isBroken = false;
    const second = await core.sendMessage(sendRequest(withKey), call);
    expect(textOf(second.artifacts[0]?.parts)).toBe('{"receipt":1}');
    expect([effects, keys.size]).toEqual([1, 1]);
    // Another intention, or another caller's, is another effect.
    await core.sendMessage(sendRequest(), call);
    await core.sendMessage(sendRequest(withKey), { caller: 'bert' });
    expect([effects, keys.size]).toEqual([3, 3]);
  });

  it('runs an effect once when two tasks with its key run side by side', async () => {
    let effects = 0;
    const { opened, open } = gate();
    const pay = skill(text, async ({ task }) => {
      const receipt = await task.once('pay', async () => {
        effects += 1;
        await opened;
        return effects;
      });
      return { text: String(receipt) };
    });
    const { core } = await startCore(await testFolder(), { pay });
    const both = [1, 2].map(() => core.sendMessage(sendRequest(withKey), call));
    await vi.waitFor(() => expect(effects).toBe(1));
    open();
    const tasks = await Promise.all(both);
    expect(tasks.map(({ artifacts }) => textOf(artifacts[0]?.parts))).toEqual(['1', '1']);
  });

  it('repeats an effect that failed by its own word', async () => {
    let effects = 0;
    const pay = skill(text, async ({ task }) => {
      const attempt = (): Promise<number> =>
        task.once('pay', async () => {
          effects += 1;
          if (effects === 1) throw new Error('declined');
          return effects;
        });
      const receipt = await attempt().catch(attempt);
      return { text: String(receipt) };
    });
    const { core } = await startCore(await testFolder(), { pay });
    const task = await core.sendMessage(sendRequest(), call);
    expect(textOf(task.artifacts[0]?.parts)).toBe('2');
  });

  it.each([
    ['fails the task where it is not idempotent', false, 1, ['', { error: { code: 'OUTCOME_UNKNOWN' } }]],
    ['is repeated where it is idempotent', true, 2, ['2']],
  ])('an effect cut short %s', async (_what, idempotent, expectedEffects, outcome) => {
    const folder = await testFolder();
    let effects = 0;
    const pay = skill(text, async ({ task }) => {
      const receipt = await task.once(
        'pay',
        async () => {
          effects += 1;
          if (effects === 1) await aborted(task);
          return effects;
        },
        { idempotent },
      );
      return { text: String(receipt) };
    });
    const before = await startCore(folder, { pay });
    const { id } = await before.core.sendMessage(sendRequest({ returnImmediately: true }), call);
    await vi.waitFor(() => expect(effects).toBe(1));
    await before.stop();
    const { core } = await startCore(folder, { pay });
    const { status, artifacts } = await settled(core, id);
    expect(effects).toBe(expectedEffects);
    expect([textOf(artifacts[0]?.parts), ...dataOf(status?.message?.parts)]).toMatchObject(outcome);
  });
});
