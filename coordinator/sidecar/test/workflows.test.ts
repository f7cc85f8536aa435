import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowActivityContext, WorkflowContext, WorkflowRuntime } from '@dapr/dapr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, temporaryFolder, type World } from './world.ts';

const COMPLETED = 1;
const FAILED = 3;
const TERMINATED = 5;
const RUNNING = 0;
const SUSPENDED = 7;

type Steps<T = unknown> = AsyncGenerator<unknown, unknown, T>;

function register(runtime: WorkflowRuntime): void {
  runtime.registerActivityWithName('increment', (_context: WorkflowActivityContext, value: number) => value + 1);
  runtime.registerActivityWithName('slow', async (_context: WorkflowActivityContext, value: number) => {
    await sleep(100);
    return value;
  });
  runtime.registerActivityWithName('echo', (_context: WorkflowActivityContext, value: unknown) => ({ value }));
  runtime.registerActivityWithName('fail', () => {
    throw new TypeError('broken on purpose');
  });
  runtime.registerActivityWithName('large', () => 'x'.repeat(5 * 1024 * 1024));

  runtime.registerWorkflowWithName('chain', async function* (context: WorkflowContext, value: number): Steps<number> {
    let current = value;
    for (let step = 0; step < 3; step += 1) current = yield context.callActivity('increment', current);
    return current;
  });
  runtime.registerWorkflowWithName('fan-out', async function* (context: WorkflowContext, count: number): Steps<
    number[]
  > {
    const tasks = Array.from({ length: count }, (_, index) => context.callActivity('slow', index + 1));
    const results = yield context.whenAll(tasks);
    return results.reduce((sum, value) => sum + value, 0);
  });
  runtime.registerWorkflowWithName('timer', async function* (context: WorkflowContext, seconds: number): Steps {
    const before = context.getCurrentUtcDateTime().getTime();
    yield context.createTimer(seconds);
    return context.getCurrentUtcDateTime().getTime() - before;
  });
  runtime.registerWorkflowWithName('past-timer', async function* (context: WorkflowContext): Steps {
    yield context.createTimer(new Date(context.getCurrentUtcDateTime().getTime() - 60_000));
    return 'fired';
  });
  runtime.registerWorkflowWithName('collect', async function* (context: WorkflowContext, count: number): Steps {
    const seen: unknown[] = [];
    context.setCustomStatus('collecting');
    while (seen.length < count) seen.push(yield context.waitForExternalEvent('Item'));
    return seen;
  });
  runtime.registerWorkflowWithName('late-collect', async function* (context: WorkflowContext, count: number): Steps {
    yield context.callActivity('slow', 1);
    const seen: unknown[] = [];
    while (seen.length < count) seen.push(yield context.waitForExternalEvent('item'));
    return seen;
  });
  runtime.registerWorkflowWithName('parent', async function* (context: WorkflowContext, value: number): Steps {
    const result = yield context.callChildWorkflow('chain', value);
    return { result };
  });
  runtime.registerWorkflowWithName('parent-of', async function* (context: WorkflowContext, name: string): Steps {
    try {
      return yield context.callChildWorkflow(name, 1, `${context.getWorkflowInstanceId()}-child`);
    } catch (error) {
      return error instanceof Error ? error.message : 'no error';
    }
  });
  runtime.registerWorkflowWithName('failing', async function* (context: WorkflowContext): Steps {
    return yield context.callActivity('fail');
  });
  runtime.registerWorkflowWithName('too-large', async function* (context: WorkflowContext): Steps {
    try {
      yield context.callActivity('large');
    } catch (error) {
      return error instanceof Error ? error.message : 'no error';
    }
    return 'not refused';
  });
  runtime.registerWorkflowWithName('counter', async function* (context: WorkflowContext, count: number): Steps<number> {
    context.setCustomStatus(`at ${count}`);
    const next = yield context.callActivity('increment', count);
    if (next >= 8) return next;
    context.continueAsNew(next, true);
    return undefined;
  });
  runtime.registerWorkflowWithName(
    'generations',
    async function* (context: WorkflowContext, state: { seen: number[]; until: number }): Steps<{ n: number }> {
      const { n } = yield context.waitForExternalEvent('n');
      const seen = [...state.seen, n];
      // Keeps a turn open while further events arrive.
      await sleep(2);
      if (seen.length >= state.until) return seen;
      context.continueAsNew({ ...state, seen }, true);
      return undefined;
    },
  );
  runtime.registerWorkflowWithName('parent-of-counter', async function* (context: WorkflowContext): Steps {
    return yield context.callChildWorkflow('counter', 1);
  });
  runtime.registerWorkflowWithName('falsy', async (_context: WorkflowContext, input: unknown) => ({ input }));
  runtime.registerWorkflowWithName(
    'stale-timer',
    async function* (context: WorkflowContext, generation: number): Steps {
      // Both timers have id 1: that of the first generation must not wake the second.
      const timer = context.createTimer(generation === 1 ? 0.3 : 1);
      const started = Date.now();
      if (generation === 1) {
        yield context.callActivity('increment', 1);
        context.continueAsNew(2, false);
        return undefined;
      }
      yield timer;
      return Date.now() - started;
    },
  );
}

const parse = (json: string | undefined): unknown => (json === undefined ? undefined : JSON.parse(json));

describe('an unmodified SDK program', () => {
  const folder = temporaryFolder();
  let world: World;

  beforeAll(async () => {
    world = await startWorld({ path: join(folder.path, 'engine.db'), durability: 'normal' }, register);
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const start = (name: string, input?: unknown, id?: string): Promise<string> =>
    world.client.scheduleNewWorkflow(name, input, id);
  const finish = async (id: string) => {
    const state = await world.client.waitForWorkflowCompletion(id, true, 15);
    if (state === undefined) throw new Error(`${id} is unknown`);
    return { status: state.runtimeStatus, output: parse(state.serializedOutput), state };
  };
  const status = async (id: string) => (await world.client.getWorkflowState(id, true))?.runtimeStatus;

  it('runs a chain of activities', async () => {
    expect(await finish(await start('chain', 1))).toMatchObject({ status: COMPLETED, output: 4 });
  });

  it('gets its state with payloads only when it asks for them', async () => {
    const id = await start('chain', 1);
    await finish(id);
    const bare = await world.client.getWorkflowState(id, false);
    const full = await world.client.getWorkflowState(id, true);
    expect(bare).toMatchObject({ name: 'chain', instanceId: id, runtimeStatus: COMPLETED });
    expect(bare?.serializedInput).toBeFalsy();
    expect(full).toMatchObject({ serializedInput: '1', serializedOutput: '4' });
    expect(await world.client.getWorkflowState('unknown', true)).toBeUndefined();
  });

  it('fans out to 150 slow activities without losing one to its queue limit', async () => {
    expect(await finish(await start('fan-out', 150))).toMatchObject({ status: COMPLETED, output: (150 * 151) / 2 });
  });

  it('sleeps until a timer fires, and not at all for one in the past', async () => {
    const [timer, past] = await Promise.all([start('timer', 0.3), start('past-timer')]);
    const { output } = await finish(timer);
    expect(output).toBeGreaterThanOrEqual(300);
    expect(output).toBeLessThan(3000);
    expect(await finish(past)).toMatchObject({ output: 'fired' });
  });

  it('does not fire a timer of 60 days at once', async () => {
    const id = await start('timer', 60 * 24 * 3600);
    await finish(await start('timer', 0.2));
    expect(await status(id)).toBe(RUNNING);
    await world.client.terminateWorkflow(id, null);
  });

  it('receives events that came before it asked, whatever their case', async () => {
    const id = await start('late-collect', 2);
    await world.client.raiseEvent(id, 'ITEM', { n: 1 });
    await world.client.raiseEvent(id, 'item', { n: 2 });
    expect(await finish(id)).toMatchObject({ output: [{ n: 1 }, { n: 2 }] });
  });

  it('receives 100 equal events 100 times', async () => {
    const id = await start('collect', 100);
    await Promise.all(Array.from({ length: 100 }, () => world.client.raiseEvent(id, 'item', { same: true })));
    const { output } = await finish(id);
    expect(output).toHaveLength(100);
  });

  it('receives events in the order in which they were raised', async () => {
    const id = await start('collect', 50);
    for (let n = 0; n < 50; n += 1) await world.client.raiseEvent(id, 'item', n + 1);
    expect((await finish(id)).output).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
  });

  it('shows its custom status', async () => {
    const id = await start('collect', 1);
    expect((await world.client.getWorkflowState(id, true))?.customStatus).toBe('collecting');
    await world.client.raiseEvent(id, 'item', 1);
    await finish(id);
  });

  it('gets the result of a child workflow', async () => {
    expect(await finish(await start('parent', 1))).toMatchObject({ status: COMPLETED, output: { result: 4 } });
  });

  it('catches the failure of a child workflow with its reason', async () => {
    const { output } = await finish(await start('parent-of', 'failing'));
    expect(output).toContain('broken on purpose');
  });

  it('catches that the id of a child is taken', async () => {
    const id = randomUUID();
    await start('collect', 1, `${id}-child`);
    await start('parent-of', 'chain', id);
    expect((await finish(id)).output).toContain('already exists');
    await world.client.terminateWorkflow(`${id}-child`, null);
  });

  it('hears of a terminated child as a failure', async () => {
    const id = await start('parent-of', 'collect');
    await world.client.waitForWorkflowStart(`${id}-child`);
    await world.client.terminateWorkflow(`${id}-child`, 'stop');
    expect((await finish(id)).output).toContain('was terminated');
  });

  it('fails with the error of its activity', async () => {
    const { status, state } = await finish(await start('failing'));
    expect(status).toBe(FAILED);
    expect(state.workflowFailureDetails?.getErrorMessage()).toContain('broken on purpose');
  });

  it('fails visibly when the workflow is not registered', async () => {
    const { status, state } = await finish(await start('nobody-knows-it'));
    expect(status).toBe(FAILED);
    expect(state.workflowFailureDetails?.getErrorMessage()).toBe("Orchestrator 'nobody-knows-it' does not exist.");
  });

  it('sees an oversize activity result as a failure of the activity', async () => {
    expect((await finish(await start('too-large'))).output).toContain('larger than');
  });

  it('continues as new, and keeps its parent', async () => {
    expect(await finish(await start('counter', 1))).toMatchObject({ status: COMPLETED, output: 8 });
    expect(await finish(await start('parent-of-counter'))).toMatchObject({ status: COMPLETED, output: 8 });
  });

  it('loses no event over 40 generations, though events arrive in the middle of turns', async () => {
    const id = await start('generations', { seen: [], until: 40 });
    await Promise.all(Array.from({ length: 40 }, (_, n) => world.client.raiseEvent(id, 'n', { n })));
    const { output } = await finish(id);
    expect(output).toHaveLength(40);
    expect(output).toEqual(expect.arrayContaining(Array.from({ length: 40 }, (_, n) => n)));
  });

  it('drops the timers of an earlier generation', async () => {
    const { state } = await finish(await start('stale-timer', 1));
    expect(Number(state.lastUpdatedAt) - Number(state.createdAt)).toBeGreaterThanOrEqual(1000);
  });

  it.each([0, false, '', null, []])('keeps the input %j', async (input) => {
    const state = (await finish(await start('falsy', input))).state;
    expect(state.serializedInput).toBe(JSON.stringify(input));
  });

  it('suspends, keeps what arrives, and resumes', async () => {
    const id = await start('collect', 1);
    await world.client.suspendWorkflow(id);
    expect(await status(id)).toBe(SUSPENDED);
    await world.client.raiseEvent(id, 'item', 'kept');
    await finish(await start('chain', 1));
    expect(await status(id)).toBe(SUSPENDED);
    await world.client.resumeWorkflow(id);
    expect(await finish(id)).toMatchObject({ output: ['kept'] });
  });

  it('survives being suspended twice', async () => {
    const id = await start('collect', 1);
    await world.client.suspendWorkflow(id);
    await world.client.suspendWorkflow(id);
    await world.client.raiseEvent(id, 'item', 'kept');
    await world.client.resumeWorkflow(id);
    expect(await finish(id)).toMatchObject({ output: ['kept'] });
    expect(await finish(await start('chain', 1))).toMatchObject({ output: 4 });
  });

  it('is terminated, also while suspended, and leaves its child alone', async () => {
    const id = await start('parent-of', 'collect');
    await world.client.waitForWorkflowStart(`${id}-child`);
    await world.client.suspendWorkflow(id);
    await world.client.terminateWorkflow(id, { by: 'test' });
    expect(await finish(id)).toMatchObject({ status: TERMINATED, output: { by: 'test' } });
    expect(await status(`${id}-child`)).toBe(RUNNING);
    await world.client.terminateWorkflow(`${id}-child`, null);
  });

  it('is terminated before its start time', async () => {
    const id = await world.client.scheduleNewWorkflow('chain', 1, undefined, new Date(Date.now() + 3_600_000));
    await world.client.terminateWorkflow(id, null);
    expect(await finish(id)).toMatchObject({ status: TERMINATED });
  });

  it('starts at its start time', async () => {
    const startAt = new Date(Date.now() + 400);
    const id = await world.client.scheduleNewWorkflow('falsy', 1, undefined, startAt);
    expect(await status(id)).toBe(6);
    const { state } = await finish(id);
    expect(Number(state.lastUpdatedAt)).toBeGreaterThanOrEqual(startAt.getTime());
  });

  it('is purged when it is over, and not before', async () => {
    const id = await start('collect', 1);
    await expect(world.client.purgeWorkflow(id)).rejects.toMatchObject({
      code: 2,
      details: 'failed to purge workflow state: orchestration has not yet completed',
    });
    await world.client.raiseEvent(id, 'item', 1);
    await finish(id);
    expect(await world.client.purgeWorkflow(id)).toBe(true);
    expect(await world.client.getWorkflowState(id, true)).toBeUndefined();
    await expect(world.client.purgeWorkflow(id)).rejects.toMatchObject({
      code: 2,
      details: 'failed to purge workflow state: no such instance exists',
    });
  });

  it('refuses an id that is in use, and starts afresh with one that is over', async () => {
    const id = await start('collect', 1);
    await expect(start('chain', 1, id)).rejects.toMatchObject({
      code: 6,
      details: expect.stringContaining(`an active workflow with ID '${id}' already exists`),
    });
    await world.client.raiseEvent(id, 'item', 'old');
    await finish(id);
    await start('chain', 5, id);
    expect(await finish(id)).toMatchObject({ status: COMPLETED, output: 8 });
    expect((await world.client.getWorkflowState(id, true))?.customStatus).toBeFalsy();
  });

  it('does not use an id again while a child of its former owner lives', async () => {
    const id = await start('parent-of', 'collect');
    await world.client.waitForWorkflowStart(`${id}-child`);
    await world.client.terminateWorkflow(id, null);
    await expect(start('chain', 1, id)).rejects.toMatchObject({ code: 6 });
    await world.client.terminateWorkflow(`${id}-child`, null);
    await start('chain', 1, id);
    expect(await finish(id)).toMatchObject({ output: 4 });
  });

  it("answers requests about unknown instances in daprd's words", async () => {
    const unknown = { code: 2, details: 'no such instance exists' };
    await expect(world.client.raiseEvent('unknown', 'e', 1)).rejects.toMatchObject(unknown);
    await expect(world.client.suspendWorkflow('unknown')).rejects.toMatchObject(unknown);
    await expect(world.client.resumeWorkflow('unknown')).rejects.toMatchObject(unknown);
    await expect(world.client.terminateWorkflow('unknown', 1)).rejects.toMatchObject({
      code: 2,
      details: 'failed to submit termination request: no such instance exists',
    });
  });

  it('accepts events and termination for an instance that is over, without effect', async () => {
    const id = await start('chain', 1);
    await finish(id);
    await world.client.raiseEvent(id, 'item', 1);
    await world.client.terminateWorkflow(id, 'late');
    expect(await finish(id)).toMatchObject({ status: COMPLETED, output: 4 });
  });
});
