import { MeshError } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventNames } from './contract.ts';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';
import { completed, failed, type Script } from './testing/scripted-activities.ts';
import { runId, type StartedRun, startRun } from './testing/start-run.ts';
import { withChildren } from './with-children.ts';
import { defineWorkflow, type WorkflowDefinition } from './workflow.ts';

const undo = (name: string) => ({
  undo: { target: { agent: `undo-${name}` }, input: (result: unknown) => ({ name, result: result ?? null }) },
});

const Room = z.strictObject({ room: z.string(), steps: z.array(z.string()).default(['light']) });

/** Makes one undoable call per step. */
const setRoom = defineWorkflow({
  name: 'set-room',
  version: 2,
  description: 'sets a room',
  input: Room,
  output: z.strictObject({ set: z.int() }),
  async *run(mesh, { room, steps }) {
    for (const step of steps)
      yield* mesh.call({ skill: step }, { room }, { ...undo(`${room}-${step}`), retry: { attempts: 1 } });
    return { set: steps.length };
  },
});

const parent = (run: (mesh: Mesh) => Step<unknown>, uses: WorkflowDefinition[] = [setRoom]) =>
  defineWorkflow({
    name: 'house',
    version: 1,
    description: 'a house',
    input: z.unknown(),
    output: z.unknown(),
    uses,
    async *run(mesh) {
      return { result: yield* run(mesh) };
    },
  });

const cancel = ({ activities }: StartedRun): void => activities.raise(runId, eventNames.cancel, { reason: 'enough' });

const undoneNames = ({ activities }: StartedRun): unknown[] =>
  activities.sent.filter((call) => call.compensating).map(({ input }) => (input as { name: string }).name);

const settled = async (definition: WorkflowDefinition, script: Script = {}): Promise<StartedRun> => {
  const run = startRun(definition, {}, script);
  await run.engine.settle();
  return run;
};

describe('a child', () => {
  const one = parent(async function* (mesh) {
    return yield* mesh.child(setRoom, { room: 'kitchen' }, { key: 'kitchen' });
  });

  it('gives its output, under an id made from root, parent, generation and path', async () => {
    const { engine, activities } = await settled(one);
    expect(activities.end).toEqual({ status: 'completed', output: { result: { set: 1 } } });
    const [childId] = engine.children.keys();
    expect(childId).toMatch(new RegExp(`^${runId}-[0-9a-f]{12}$`));
    expect(activities.tree.children.get(childId ?? '')?.request).toMatchObject({
      path: '0[kitchen]',
      workflow: 'set-room',
      version: 2,
      input: { room: 'kitchen' },
    });
    // What a call of the child is recognized by contains the child's own id.
    expect(activities.sent[0]?.callId).toMatch(new RegExp(`^${childId}-c`));
  });

  it('fails with the code, the message and the details it failed with', async () => {
    const errors: MeshError[] = [];
    const failing = parent(async function* (mesh) {
      try {
        yield* mesh.child(setRoom, { room: 'kitchen' });
      } catch (error) {
        if (error instanceof MeshError) errors.push(error);
        throw error;
      }
    });
    const { activities } = await settled(failing, { agents: { light: () => failed('the bulb is gone') } });
    const failure = {
      code: 'PEER_FAILED',
      message: 'light: the bulb is gone',
      retryable: true,
      details: { failure: { message: 'the bulb is gone' }, attempts: 1 },
    };
    expect(errors[0]).toMatchObject(failure);
    expect(activities.end).toMatchObject({ status: 'failed', failure });
  });

  it('refuses input and output that do not fit', async () => {
    const { activities } = await settled(
      // @ts-expect-error -- the input of setRoom
      parent((mesh) => mesh.child(setRoom, { rom: 'kitchen' })),
    );
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'INVALID_ARGUMENT' } });
    const liar = defineWorkflow({
      name: 'liar',
      version: 1,
      description: 'lies',
      input: z.unknown(),
      output: z.strictObject({ set: z.int() }),
      // oxlint-disable-next-line require-yield -- it does nothing
      async *run() {
        // Not what it promises.
        return { set: 'all' as unknown as number };
      },
    });
    const lied = await settled(parent((mesh) => mesh.child(liar, {}), [liar]));
    expect(lied.activities.end).toMatchObject({ status: 'failed', failure: { code: 'INVALID_OUTPUT' } });
  });

  it('must be named in `uses`, which is how a worker learns of it', async () => {
    const { activities } = await settled(parent((mesh) => mesh.child(setRoom, { room: 'a' }), []));
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'INTERNAL' } });
    const grand = parent((mesh) => mesh.child(one, {}), [one]);
    expect(withChildren([{ ...grand, name: 'grand' }]).map(({ name }) => name)).toEqual([
      'grand',
      'house',
      'set-room',
      'set-room.lane',
      'house.lane',
    ]);
    expect(() => withChildren([one, parent((mesh) => mesh.child(setRoom, { room: 'a' }))])).toThrow(/registered twice/);
  });

  it('that does not finish by itself fails its parent visibly', async () => {
    const run = startRun(one, {}, { agents: { light: () => 'open' } });
    await run.engine.settle();
    for (const child of run.engine.children.values()) child.terminate();
    await run.engine.settle();
    expect(run.activities.end).toMatchObject({
      status: 'failed',
      failure: { message: 'the instance ended by itself' },
    });
  });

  it('is not started again when its parent is, but gives what it gave', async () => {
    const { activities } = await settled(one);
    activities.end = undefined;
    const sent = activities.sent.length;
    const again = startRun(one, {}, {}, { startedOver: { activities, token: 'another' } });
    await again.engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: { set: 1 } } });
    expect(again.engine.children.size).toBe(0);
    expect(activities.sent).toHaveLength(sent);
  });

  it('forbids continueAsNew while it is open, and not afterwards where it left nothing to be undone', async () => {
    const live = parent(async function* (mesh) {
      yield* mesh.all([
        mesh.child(setRoom, { room: 'a' }),
        (async function* () {
          yield* mesh.continueAsNew({});
        })(),
      ]);
    });
    const refused = await settled(live, { agents: { light: () => ({ later: completed({}) }) } });
    expect(refused.activities.end).toMatchObject({ status: 'failed' });
    const rounds = defineWorkflow({
      name: 'rounds',
      version: 1,
      description: 'rounds',
      input: z.object({ left: z.int() }),
      output: z.unknown(),
      uses: [setRoom],
      async *run(mesh, { left }) {
        yield* mesh.child(setRoom, { room: 'a', steps: [] });
        return left === 0 ? mesh.generation : yield* mesh.continueAsNew({ left: left - 1 });
      },
    });
    const run = startRun(rounds, { left: 3 });
    await run.engine.settle();
    expect(run.activities.end).toEqual({ status: 'completed', output: 3 });
    expect(new Set(run.activities.tree.children.keys()).size).toBe(4);
  });
});

/** An agent that never settles within the linger. */
const slowHeat: Script = { agents: { heat: () => ({ later: completed({}) }) } };

describe('what children did', () => {
  const nested = defineWorkflow({
    name: 'floor',
    version: 1,
    description: 'a floor',
    input: z.strictObject({ floor: z.string() }),
    output: z.unknown(),
    uses: [setRoom],
    async *run(mesh, { floor }) {
      yield* mesh.call({ skill: 'stairs' }, {}, undo(`${floor}-stairs`));
      yield* mesh.child(setRoom, { room: `${floor}-hall`, steps: ['light', 'heat'] });
      mesh.compensate(`${floor} own`, { activity: 'clean', input: { floor } });
    },
  });
  const house = parent(
    async function* (mesh) {
      yield* mesh.call({ skill: 'door' }, {}, undo('door'));
      yield* mesh.child(nested, { floor: 'first' });
      yield* mesh.child(nested, { floor: 'second' });
      yield* mesh.call({ skill: 'last' }, {}, { ...undo('last'), retry: { attempts: 1 } });
    },
    [nested],
  );
  const order = [
    'last',
    'second-hall-heat',
    'second-hall-light',
    'second-stairs',
    'first-hall-heat',
    'first-hall-light',
    'first-stairs',
    'door',
  ];

  it('is undone by the root, newest first, through all levels', async () => {
    const run = await settled(house, { agents: { last: () => failed('no', false) } });
    expect(undoneNames(run)).toEqual(order);
    expect(run.activities.log.filter((line) => line.startsWith('local'))).toHaveLength(2);
    expect(run.activities.end).toMatchObject({ status: 'failed', notUndone: [] });
    // No child has undone anything.
    expect(run.activities.sent.filter((call) => call.compensating && !call.callId.startsWith(`${runId}-c`))).toEqual(
      [],
    );
  });

  it('is undone once wherever the run is canceled', async () => {
    const whole = await settled(house, slowHeat);
    expect(whole.activities.end?.status).toBe('completed');
    const names = order.toReversed();
    for (let at = 1; at <= whole.engine.turns; at++) {
      const run = startRun(house, {}, slowHeat);
      run.engine.beforeTurn = (turn) => {
        if (turn === at) cancel(run);
      };
      await run.engine.settle();
      const begun = run.activities.sent.filter((call) => !call.compensating).length;
      if (run.activities.end?.status === 'completed') continue;
      expect(run.activities.end, `canceled at turn ${at}`).toMatchObject({ status: 'canceled', reason: 'enough' });
      expect(undoneNames(run), `canceled at turn ${at}`).toEqual(names.slice(0, begun).toReversed());
      for (const { outcome, request } of run.activities.tree.children.values()) {
        expect(outcome, `${request.path} at turn ${at}`).toBeDefined();
      }
      expect(run.engine.tree.every(({ status }) => status === 'completed')).toBe(true);
    }
  });

  it('is undone as a whole where the parent says how', async () => {
    const whole = parent(async function* (mesh) {
      const options = { undo: { target: { agent: 'undo' }, input: (result: unknown) => ({ name: 'whole', result }) } };
      yield* mesh.child(setRoom, { room: 'a', steps: ['light', 'heat'] }, options);
      yield* mesh.child(setRoom, { room: 'b', steps: ['light', 'bad'] }, options);
    });
    const run = await settled(whole, { agents: { bad: () => failed('no', false) } });
    expect(undoneNames(run)).toEqual(['b-bad', 'b-light', 'whole']);
    expect(run.activities.sent.at(-1)?.input).toMatchObject({ result: { set: 2 } });
  });

  it('is told by code only in a run of its own', async () => {
    const coded = defineWorkflow({
      name: 'coded',
      version: 1,
      description: 'coded',
      input: z.unknown(),
      output: z.unknown(),
      // oxlint-disable-next-line require-yield -- it only registers
      async *run(mesh) {
        mesh.compensate('own', async function* () {
          yield* mesh.activity('clean', {});
        });
      },
    });
    const alone = await settled(coded);
    expect(alone.activities.end).toMatchObject({ status: 'completed' });
    const asChild = await settled(parent((mesh) => mesh.child(coded, {}), [coded]));
    expect(asChild.activities.end).toMatchObject({ status: 'failed' });
  });
});

describe('a child among branches', () => {
  it('is canceled and awaited when another branch fails', async () => {
    const racing = parent(async function* (mesh) {
      yield* mesh.all([
        mesh.child(setRoom, { room: 'slow', steps: ['light', 'never'] }),
        mesh.call({ skill: 'bad' }, {}),
      ]);
    });
    const run = startRun(racing, {}, { agents: { never: () => 'open', bad: () => 'open' } });
    await run.engine.settle();
    const bad = run.activities.sent.find((call) => call.target.skill === 'bad');
    run.activities.settle(bad?.callId ?? '', 1, failed('no', false));
    await run.engine.settle();
    expect(run.activities.log).toContain('cancelChildren 1');
    expect(run.activities.end).toMatchObject({ status: 'failed', failure: { code: 'PEER_FAILED' } });
    expect(undoneNames(run)).toEqual(['slow-never', 'slow-light']);
    expect([...run.activities.tree.children.values()].map(({ outcome }) => outcome?.status)).toEqual(['canceled']);
  });
});
