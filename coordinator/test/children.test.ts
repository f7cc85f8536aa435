import { TaskState } from '@a2a-js/sdk';
import { dataPart, digest, userMessage } from '@daca-mesh/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forgetRun } from '../src/runs/forget-run.ts';
import type { Run } from '../src/runs/run-view.ts';
import { EngineMesh, patiently } from './engine-mesh.ts';
import { type EngineOfTest, engines } from './engines.ts';
import { shrub, tree, wood } from './fixtures/tree.ts';

const names = (count: number, ms = 0): { name: string; ms: number }[] =>
  Array.from({ length: count }, (_, index) => ({ name: `s${index}`, ms }));

const openLeaves = async (mesh: EngineMesh, runId: string): Promise<Run[]> =>
  (await mesh.children(runId)).filter(
    ({ workflow, status }) => workflow === 'leaf' && !/completed|canceled/.test(status),
  );

/** Effects that were undone, and those that were not. */
function undone(effects: readonly string[]): { kept: string[]; undone: string[] } {
  const undos = effects.filter((name) => name.startsWith('undo-')).map((name) => name.slice('undo-'.length));
  return { kept: effects.filter((name) => !name.startsWith('undo-') && !undos.includes(name)), undone: undos };
}

describe.each(engines)('children on $name', (engine) => {
  let running: EngineOfTest;
  beforeAll(async () => {
    running = await engine.start();
  }, 90_000);
  afterAll(() => running[Symbol.asyncDispose]());

  const start = (): Promise<EngineMesh> =>
    EngineMesh.start([shrub, tree, wood], running.environment['DAPR_GRPC_ENDPOINT']);

  it('show on their root: calls, progress, questions and events, each with where it comes from', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', { twigs: [[{ name: 'a', ask: true, wait: true }], [{ name: 'b' }]] });
    const [question] = await patiently(async () => {
      const { questions } = await mesh.questions(runId);
      expect(questions).toHaveLength(1);
      return questions;
    });
    const [twigOfA, leafA] = await patiently(async () => {
      const children = await mesh.children(runId);
      const a = children.find(({ child, workflow }) => workflow === 'leaf' && child?.path.endsWith('[a]'));
      const parent = children.find((each) => each.runId === a?.child?.parent);
      if (!a || !parent) throw new Error('not yet');
      return [parent, a];
    });
    expect(leafA.runId).toMatch(new RegExp(`^${runId}-[0-9a-f]{12}$`));
    expect(leafA).toMatchObject({
      taskId: runId,
      child: { root: runId, parent: twigOfA.runId, path: `${twigOfA.child?.path}:0[a]` },
    });
    expect(question).toMatchObject({ runId, prompt: 'a?', child: { runId: leafA.runId, path: leafA.child?.path } });
    expect(await mesh.get(runId)).toMatchObject({ status: 'waiting' });
    expect((await mesh.coordinator.runs.list({})).runs.map((run) => run.runId)).toEqual([runId]);

    const task = await mesh.core.getTask({ tenant: '', id: runId, historyLength: undefined }, { caller: 'local' });
    expect(task.status?.state).toBe(TaskState.TASK_STATE_INPUT_REQUIRED);
    const message = userMessage({ messageId: 'answer', taskId: runId, parts: [dataPart({ action: 'approve' })] });
    await mesh.send(message);
    await patiently(async () => expect(await mesh.timelineTypes(runId)).toContain('waiting'));
    await mesh.coordinator.runs.receiveEvent(runId, 'go', { far: 'away' }, 'event-1');

    const run = await mesh.ended(runId);
    expect(run).toMatchObject({ status: 'completed', output: [['a'], ['b']] });
    expect(await mesh.get(leafA.runId)).toMatchObject({
      status: 'completed',
      output: { did: 'a', decision: 'approve', heard: { far: 'away' } },
    });
    const entries = await mesh.timeline(runId);
    const about = entries.filter(({ child }) => child?.runId === leafA.runId);
    expect(about.map(({ type }) => type)).toEqual([
      'child-started',
      'question-asked',
      'question-answered',
      'waiting',
      'progress',
      'call-sent',
      'call-completed',
      'child-completed',
    ]);
    expect(await mesh.timeline(leafA.runId)).toEqual(about);
    expect(new Set(about.map(({ child }) => child?.path))).toEqual(new Set([leafA.child?.path]));
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    expect(entries.at(-1)).toMatchObject({ type: 'run-completed' });
  });

  it('are controlled through their root only', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', { twigs: [[{ name: 'a', wait: true }]] });
    const [child] = await patiently(async () => {
      const open = await openLeaves(mesh, runId);
      expect(open).toHaveLength(1);
      return open;
    });
    const { runs } = mesh.coordinator;
    const refused = { code: 'INVALID_ARGUMENT', details: { root: runId } };
    await expect(runs.cancel(child?.runId ?? '')).rejects.toMatchObject(refused);
    await expect(runs.suspend(child?.runId ?? '')).rejects.toMatchObject(refused);
    await expect(runs.resume(child?.runId ?? '')).rejects.toMatchObject(refused);
    // An instance that cannot show the token the parent was given does nothing.
    const claim = { workflow: 'leaf', version: 1, generation: 0, input: {} };
    for (const token of [undefined, 'guessed', digest([runId, child?.runId])]) {
      const shown = token === undefined ? {} : { token };
      const outcome = await mesh.activities.claim({ ...claim, ...shown, instanceId: child?.runId ?? '' });
      expect(outcome).toMatchObject({ status: 'stop' });
    }
  });

  it('of a run that was started through the engine itself cannot be taken by a bare start', async () => {
    await using mesh = await start();
    const { activities } = mesh;
    const begin = { version: 1, generation: 0, input: { twigs: [] } };
    expect(await activities.claim({ ...begin, instanceId: 'raw-1', workflow: 'tree' })).toMatchObject({ status: 'go' });
    const scope = { runId: 'raw-1', generation: 0, seen: { below: 1, above: [] } };
    const child = { childId: 'raw-1-0123456789ab', path: '0', workflow: 'leaf', version: 1, input: { name: 'a' } };
    const opened = await activities.openChild({ ...scope, child });
    // Again, by a process that cannot know whether the child has begun.
    const again: unknown = { ...opened, fresh: undefined };
    expect(await activities.openChild({ ...scope, child })).toEqual(again);
    const bare = { ...begin, instanceId: child.childId, workflow: 'leaf' };
    expect(await activities.claim(bare)).toMatchObject({ status: 'stop' });
    expect(await activities.claim({ ...bare, token: opened.status === 'open' ? opened.token : '' })).toMatchObject({
      status: 'go',
    });
  });

  it('that are stalled show so on their root, until they go on', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', { twigs: [[{ name: 'a', wait: true }]] });
    await patiently(async () => expect(await mesh.timelineTypes(runId)).toContain('waiting'));
    const [child] = await openLeaves(mesh, runId);
    const { runs } = mesh.coordinator;
    const stall = { reason: 'WORKFLOW_NOT_FOUND', message: 'there is no leaf@1' } as const;
    mesh.coordinator.reportStall(child?.runId ?? '', stall);
    await patiently(async () =>
      expect(await mesh.get(runId)).toMatchObject({
        status: 'stalled',
        stalled: { reason: stall.reason, message: `child ${child?.child?.path}: ${stall.message}` },
      }),
    );
    await runs.resume(runId);
    await patiently(async () => expect(await mesh.get(runId)).toMatchObject({ status: 'running' }));
    await runs.receiveEvent(runId, 'go', {}, 'event-1');
    expect(await mesh.ended(runId)).toMatchObject({ status: 'completed' });
  });

  it('begin as their parent stands: suspended, or canceled', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', { twigs: [[{ name: 'a', wait: true }, { name: 'b' }]] });
    await patiently(async () => expect(await mesh.timelineTypes(runId)).toContain('waiting'));
    const { runs } = mesh.coordinator;
    await runs.suspend(runId);
    await runs.receiveEvent(runId, 'go', {}, 'event-1');
    await patiently(async () => expect(await mesh.calls(runId, 'unsent')).toBe(1));
    expect((await mesh.children(runId)).every(({ status }) => status === 'suspended')).toBe(true);
    await runs.resume(runId);
    expect(await mesh.ended(runId)).toMatchObject({ status: 'completed', output: [['a', 'b']] });

    const scope = { generation: 0, seen: { below: 1, above: [] } };
    const other = await mesh.run('tree', { twigs: [[{ name: 'c', wait: true }]] });
    await patiently(async () => expect(await mesh.timelineTypes(other)).toContain('waiting'));
    await mesh.set(other, { suspended: 1, canceling: 1 });
    const child = { childId: `${other}-0123456789ab`, path: '9', workflow: 'leaf', version: 1, input: { name: 'd' } };
    await mesh.activities.openChild({ ...scope, runId: other, child });
    expect(await mesh.row(child.childId)).toMatchObject({
      suspended: 1,
      canceling: 1,
      path: '9',
      parent_run_id: other,
    });
  });

  it('work through many items, no more at a time than allowed', async () => {
    await using mesh = await start();
    for (const [workflow, count, limit, children] of [
      ['wood', 3, 5, 3],
      ['wood', 50, 5, 5],
      ['shrub', 20, 5, 0],
      ['shrub', 21, 5, 5],
    ] as const) {
      mesh.load.most = 0;
      const runId = await mesh.run(workflow, { steps: names(count, 2), limit });
      const run = await mesh.ended(runId);
      expect(run.output).toEqual(names(count).map(({ name }) => name));
      expect(mesh.load.most).toBeLessThanOrEqual(limit);
      expect(await mesh.children(runId)).toHaveLength(children);
    }
    expect(new Set(mesh.effects).size).toBe(50);
    expect(mesh.effects).toHaveLength(94);
  }, 90_000);

  it('are canceled with their root, and what they did is undone once, by the root', async () => {
    await using mesh = await start();
    const slow = { name: 'slow', ms: 60_000 };
    const runId = await mesh.run('tree', {
      twigs: [
        [{ name: 'a' }, slow],
        [{ name: 'b' }, { ...slow, name: 'slower' }],
      ],
    });
    await patiently(() => {
      expect(mesh.effects).toEqual(expect.arrayContaining(['a', 'b']));
      // The two slow ones: what is before them has left its effect.
      expect(mesh.load.now).toBe(2);
    });
    await mesh.coordinator.runs.cancel(runId, 'enough');
    for (const child of await mesh.children(runId)) expect(child.status).toMatch(/canceling|canceled|completed/);
    const run = await mesh.ended(runId);
    expect(run).toMatchObject({ status: 'canceled' });
    const { kept, undone: undos } = undone(mesh.effects);
    expect(kept).toEqual([]);
    expect(undos.toSorted()).toEqual(['a', 'b', 'first', 'slow', 'slower']);
    expect(undos.at(-1)).toBe('first');
    expect((await mesh.children(runId)).map(({ status }) => status)).toEqual(
      Array(6).fill(expect.stringMatching(/canceled|completed/)),
    );
    expect(mesh.load.now).toBe(0);
    const ends = (await mesh.timeline(runId)).filter(({ type }) => /^(?:child|run)-(?:canceled|completed)$/.test(type));
    expect(ends.at(-1)?.type).toBe('run-canceled');
  }, 90_000);

  it('fail fast: the other lanes are canceled and everything is undone, newest first', async () => {
    await using mesh = await start();
    const steps = [...names(6), { name: 'bad', fail: true }, { name: 'slow', ms: 60_000 }, ...names(30).slice(10)];
    const runId = await mesh.run('wood', { steps, limit: 3 });
    const run = await mesh.ended(runId);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'PEER_FAILED' } });
    const { kept, undone: undos } = undone(mesh.effects);
    expect(kept).toEqual([]);
    expect(new Set(undos).size).toBe(undos.length);
    const done = mesh.effects.filter((name) => !name.startsWith('undo-'));
    // The one that was given up in the middle may have been undone without having been done.
    expect(undos.filter((name) => done.includes(name))).toHaveLength(done.length);
  }, 90_000);

  it('send nothing new while their root is suspended', async () => {
    await using mesh = await start();
    const runId = await mesh.run('wood', { steps: names(40, 20), limit: 4 });
    await patiently(() => expect(mesh.effects.length).toBeGreaterThan(3));
    await mesh.coordinator.runs.suspend(runId);
    await patiently(async () => {
      const held = await mesh.calls(runId, 'unsent');
      expect(held).toBe(4);
      expect(mesh.load.now).toBe(0);
    });
    const before = mesh.effects.length;
    expect(await mesh.get(runId)).toMatchObject({ status: 'suspended' });
    await mesh.coordinator.runs.resume(runId);
    expect(await mesh.ended(runId)).toMatchObject({ status: 'completed' });
    expect(before).toBeLessThan(40);
    expect(mesh.effects).toHaveLength(40);
  }, 90_000);

  it('that do not end in time are canceled, and say so', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', { twigs: [[{ name: 'a' }, { name: 'slow', ms: 60_000 }]], timeoutMs: 1_000 });
    const run = await mesh.ended(runId);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'DEADLINE_EXCEEDED' } });
    expect(undone(mesh.effects)).toMatchObject({ kept: [], undone: expect.arrayContaining(['a', 'first']) });
  }, 90_000);

  it('that are terminated through the engine fail their parents', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', { twigs: [[{ name: 'a', wait: true }]] });
    const [child] = await patiently(async () => {
      const open = await openLeaves(mesh, runId);
      expect(open).toHaveLength(1);
      expect(await mesh.timelineTypes(runId)).toContain('waiting');
      return open;
    });
    await mesh.coordinator.engine.terminate(child?.runId ?? '');
    const run = await mesh.ended(runId);
    expect(run).toMatchObject({ status: 'failed', error: { code: 'INTERNAL', details: { childId: child?.runId } } });
    expect(undone(mesh.effects)).toEqual({ kept: [], undone: ['first'] });
  }, 90_000);

  it('are not left behind when their root is terminated through the engine', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', { twigs: [[{ name: 'a', ms: 60_000 }], [{ name: 'b', wait: true }]] });
    await patiently(async () => {
      expect(mesh.load.now).toBe(1);
      expect(await openLeaves(mesh, runId)).toHaveLength(2);
    });
    await mesh.coordinator.engine.terminate(runId);
    expect(await mesh.ended(runId)).toMatchObject({ status: 'canceled' });
    // At the latest by the same commit.
    const direct = (await mesh.children(runId)).filter(({ workflow }) => workflow === 'twig');
    for (const child of direct) expect(child.status).toMatch(/canceling|canceled/);
    await patiently(async () => {
      for (const child of await mesh.children(runId)) {
        expect(child.status).toBe('canceled');
        expect(await mesh.coordinator.engine.status(child.runId)).toMatch(/completed|terminated/);
      }
      expect(mesh.load.now).toBe(0);
    });
  }, 90_000);

  it('whose parent is over are found by the sweep, whatever the engine knows of them', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', { twigs: [[{ name: 'a', wait: true }], [{ name: 'b', wait: true }]] });
    await patiently(async () => expect(await openLeaves(mesh, runId)).toHaveLength(2));
    // As a store would have it that was repaired by hand: the root is over, its children were told nothing.
    await mesh.set(runId, { status: 'canceled' });
    await mesh.coordinator.engine.terminate(runId);
    const [one] = await openLeaves(mesh, runId);
    for (const id of [one?.runId, one?.child?.parent]) await mesh.coordinator.engine.terminate(id ?? '');
    await patiently(async () => {
      for (const child of await mesh.children(runId)) {
        expect(child.status).toMatch(/canceled|failed/);
        expect(await mesh.coordinator.engine.status(child.runId)).toMatch(/completed|failed|terminated/);
      }
    });
  }, 90_000);

  // What daprd knows is not ours to delete.
  it.skipIf(engine.name === 'daprd')(
    'go on from the rows when the engine has lost everything',
    async () => {
      await using mesh = await start();
      const steps = names(30, 10);
      const runId = await mesh.run('wood', { steps, limit: 3 });
      const other = await mesh.run('tree', {
        twigs: [[{ name: 'a' }, { name: 'b', wait: true }], [{ name: 'c', ask: true }]],
      });
      await patiently(async () => {
        expect(mesh.effects.length).toBeGreaterThan(12);
        expect((await mesh.questions(other)).questions).toHaveLength(1);
        expect(await mesh.timelineTypes(other)).toContain('waiting');
      });
      const over = (await mesh.children(other)).find(({ status }) => status === 'completed');
      const ended = await mesh.row(over?.runId ?? '');
      await mesh.end();
      await mesh.loseEngine();
      await mesh.begin();
      expect(await mesh.ended(runId)).toMatchObject({ status: 'completed' });
      const [question] = (await mesh.questions(other)).questions;
      await mesh.answer(question?.id ?? '');
      await mesh.coordinator.runs.receiveEvent(other, 'go', {}, 'event-1');
      expect(await mesh.ended(other)).toMatchObject({ status: 'completed', output: [['a', 'b'], ['c']] });
      // What was over was not begun again.
      expect(ended).toMatchObject({ workflow: 'leaf', status: 'completed' });
      expect(await mesh.row(over?.runId ?? '')).toEqual(ended);
      expect(mesh.effects.toSorted()).toEqual(
        [...names(30).map(({ name }) => name), 'a', 'b', 'c', 'first'].toSorted(),
      );
    },
    90_000,
  );

  it('are started over with a root that is started over while they run', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', { twigs: [[{ name: 'a' }, { name: 'b', wait: true }]] });
    await patiently(async () => expect(await mesh.timelineTypes(runId)).toContain('waiting'));
    for (let time = 0; time < 2; time++) {
      const { token } = (await mesh.row(runId)) ?? {};
      await mesh.vanish(runId);
      await patiently(async () => {
        const row = await mesh.row(runId);
        expect(row).toMatchObject({ status: 'running', token: expect.not.stringMatching(token ?? '') });
        expect(await mesh.coordinator.engine.status(runId)).toBe('running');
      });
    }
    await mesh.coordinator.runs.receiveEvent(runId, 'go', {}, 'event-1');
    expect(await mesh.ended(runId)).toMatchObject({ status: 'completed', output: [['a', 'b']] });
    expect(mesh.effects).toEqual(['first', 'a', 'b']);
  }, 90_000);

  it('are undone also where their run was canceled while it had no instance', async () => {
    await using mesh = await start();
    const runId = await mesh.run('tree', {
      twigs: [
        [{ name: 'a' }, { name: 'b', wait: true }],
        [{ name: 'c' }, { name: 'd', ms: 60_000 }],
      ],
    });
    const steps = names(14).concat({ name: 'slow', ms: 60_000 });
    const other = await mesh.run('wood', { steps, limit: 1 });
    await patiently(async () => {
      expect(mesh.effects).toEqual(expect.arrayContaining(['c', 's13']));
      expect(mesh.load.now).toBe(2);
      expect(await mesh.timelineTypes(runId)).toContain('waiting');
    });
    for (const id of [runId, other]) {
      await mesh.vanish(id);
      await mesh.set(id, { canceling: 1 });
      for (const child of await mesh.children(id)) await mesh.set(child.runId, { canceling: 1 });
    }
    for (const id of [runId, other]) expect(await mesh.ended(id)).toMatchObject({ status: 'canceled' });
    const { kept, undone: undos } = undone(mesh.effects);
    expect(kept).toEqual([]);
    const expected = ['a', 'c', 'd', 'first', 'slow', ...names(14).map(({ name }) => name)];
    expect(undos.toSorted()).toEqual(expected.toSorted());
  }, 90_000);

  it('are forgotten with their root, and not a row stays', async () => {
    await using mesh = await start();
    const runId = await mesh.run('wood', { steps: names(12), limit: 3 });
    await mesh.ended(runId);
    const other = await mesh.run('tree', { twigs: [[{ name: 'a', ask: true }]] });
    await patiently(async () => expect((await mesh.questions(other)).questions).toHaveLength(1));
    await mesh.coordinator.runs.cancel(other);
    await mesh.ended(other);
    expect(await mesh.count('map_items')).toBe(12);
    for (const root of [runId, other]) await mesh.coordinator.database.write(() => forgetRun(root));
    const tables = [
      'runs',
      'calls',
      'questions',
      'waits',
      'timeline',
      'map_items',
      'deadlines',
      'outbox',
      'payloads',
    ] as const;
    for (const table of tables) expect({ table, rows: await mesh.count(table) }).toEqual({ table, rows: 0 });
  }, 90_000);
});
