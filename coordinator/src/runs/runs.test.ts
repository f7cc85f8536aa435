import { TaskState } from '@a2a-js/sdk';
import { dataOf } from '@daca-mesh/protocol';
import { afterCommit, run } from '@daca-mesh/protocol/server';
import { collect } from '@daca-mesh/protocol/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { query } from '../store/schema.ts';
import { forgetRun } from './forget-run.ts';
import type { Script } from './testing/scripted-engine.ts';
import { callOf, TestMesh } from './testing/test-mesh.ts';

const chain: Script = async ({ activities, runId, scope, call }) => {
  const first = await call(callOf(runId, 'first'));
  const second = await call(callOf(runId, 'second'));
  await activities.finish({ ...scope(), end: { status: 'completed', output: { first, second } } });
};

describe('a run', () => {
  let mesh: TestMesh;
  let executed: string[];
  let delayMs: number;

  beforeEach(async () => {
    executed = [];
    delayMs = 0;
    mesh = await TestMesh.create({ chain });
    await mesh.agent({
      work: async ({ input, task }) => {
        if (delayMs > 0) await task.update(`working on ${input.text}`);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        executed.push(input.text ?? '');
        return { did: input.text };
      },
    });
  });
  afterEach(() => mesh[Symbol.asyncDispose]());

  const completed = (runId: string) =>
    vi.waitFor(async () => expect((await mesh.coordinator.runs.get(runId)).status).toBe('completed'), 15_000);

  it('takes fast calls without an event', async () => {
    await mesh.start();
    const runId = await mesh.run('chain', { text: 'x' });
    await completed(runId);
    expect(executed).toEqual(['first', 'second']);
    expect(mesh.engine.raised).toEqual([]);
    expect(await mesh.timelineTypes(runId)).toEqual([
      'run-started',
      'call-sent',
      'call-completed',
      'call-sent',
      'call-completed',
      'run-completed',
    ]);
    const task = await mesh.task(runId);
    expect(task.status?.state).toBe(TaskState.TASK_STATE_COMPLETED);
    expect(dataOf(task.artifacts[0]?.parts)[0]).toMatchObject({ first: { output: { did: 'first' } } });
  });

  it('is forgotten after its retention, and not a row stays; one that is open stays', async () => {
    await mesh.start();
    const over = await mesh.run('chain');
    await completed(over);
    delayMs = 300;
    const open = await mesh.run('chain');
    const { database } = mesh.coordinator;
    await database.write(() => forgetRun(open));
    expect((await mesh.coordinator.runs.get(open)).runId).toBe(open);
    await completed(open);
    await database.write(function* () {
      const due = query.updateTable('deadlines').set({ due_at: Date.now() }).where('run_id', '=', over);
      yield* run(due.where('kind', '=', 'retention').compile());
      yield* afterCommit(() => mesh.coordinator.signals.deadlines.emit(0));
    });
    await vi.waitFor(() => expect(mesh.coordinator.runs.get(over)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' }));
    expect(await mesh.calls(over)).toEqual([]);
    expect(await mesh.timeline(over)).toEqual([]);
    expect(await mesh.timeline(open)).not.toEqual([]);
  });

  it.each([
    ['polling alone', { streams: false }, false],
    ['streams alone, where someone watches', { polling: false }, true],
  ])('finishes slow calls by %s', async (_name, settings, watched) => {
    delayMs = 400;
    await mesh.start(settings);
    const runId = await mesh.run('chain');
    const watching = watched ? collect(mesh.server.core.subscribe(runId, { caller: 'local' })) : undefined;
    await completed(runId);
    expect(executed).toEqual(['first', 'second']);
    expect(mesh.engine.raised.map(({ name }) => name.split(':')[0])).toEqual(['call', 'call']);
    expect(await mesh.timelineTypes(runId)).toContain('call-progress');
    await watching;
    expect(mesh.coordinator.signals.followers.has(runId)).toBe(false);
  });
});
