import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newTaskId } from '@daca-mesh/protocol';
import { startSidecar, type Sidecar } from '@daca-mesh/sidecar';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { RaisedEvent } from '../workflow-kit/contract.ts';
import { completed, type Script, ScriptedActivities } from '../workflow-kit/testing/scripted-activities.ts';
import type { WorkflowDefinition } from '../workflow-kit/workflow.ts';
import { createEngine, type Engine } from './engine.ts';
import type { Stall } from './stall-guard.ts';
import { asking, envelopeOf, patient, workflow } from './testing/test-engine.ts';

const logger = pino({ level: 'silent' });

let folder: string;
let sidecar: Sidecar;
const cleanup: (() => Promise<void>)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'engine-'));
  sidecar = await startSidecar({ path: join(folder, 'engine.db'), durability: 'normal', maxUnackedPerStream: 5000 });
});

afterEach(async () => {
  for (const close of cleanup.splice(0).toReversed()) await close();
  await sidecar.close();
  await rm(folder, { recursive: true });
});

/** Raises events again until the engine takes them, as the outbox does. */
async function raiseUntilAccepted(engine: Engine, runId: string, name: string, event: RaisedEvent): Promise<void> {
  const raise = async () => expect(await engine.raise(runId, name, event)).toBe('accepted');
  await vi.waitFor(raise, patient);
}

async function start(
  definition: WorkflowDefinition,
  script: Script = {},
): Promise<{ engine: Engine; activities: ScriptedActivities }> {
  const activities: ScriptedActivities = new ScriptedActivities(script, (runId, name, event) => {
    void raiseUntilAccepted(engine, runId, name, event);
  });
  const engine = createEngine({ address: sidecar.address, workflows: [definition], activities, logger });
  await connect(engine);
  return { engine, activities };
}

async function connect(engine: Engine): Promise<void> {
  let closed: Promise<void> | undefined;
  cleanup.push(() => (closed ??= engine.close()));
  await engine.start();
  await expect.poll(() => engine.ready(), patient).toBe(true);
}

async function run(definition: WorkflowDefinition, script: Script = {}, input: unknown = {}) {
  const started = await start(definition, script);
  started.activities.input = input;
  const runId = newTaskId();
  await started.engine.startInstance(
    runId,
    definition.name,
    definition.version,
    envelopeOf(runId, started.activities, input),
  );
  return { ...started, runId };
}

describe('the engine', () => {
  it('runs a workflow whose calls end within their send and by event', async () => {
    const three = workflow(async function* (mesh) {
      const first = yield* mesh.call({ skill: 'a' }, {});
      const both = yield* mesh.all([mesh.call({ skill: 'b' }, {}), mesh.call({ skill: 'c' }, {})]);
      return [first, ...both];
    });
    const { activities, engine, runId } = await run(three, {
      agents: { a: () => completed(0), b: () => ({ later: completed('') }), c: () => ({ later: completed(3) }) },
    });
    await expect.poll(() => activities.end, patient).toEqual({ status: 'completed', output: { result: [0, '', 3] } });
    await expect.poll(() => engine.status(runId), patient).toBe('completed');
  });

  it('executes a wide fan-out of slow activities all at once, and loses none', async () => {
    const wide = workflow((mesh) => mesh.all(Array.from({ length: 250 }, (_, n) => mesh.activity('slow', { n }))));
    const gate = Promise.withResolvers<object>();
    const { activities } = await run(wide, { local: () => gate.promise });
    await expect.poll(() => activities.log.filter((line) => line === 'local slow').length, patient).toBe(250);
    gate.resolve({});
    await expect.poll(() => activities.end?.status, patient).toBe('completed');
  });

  it('has thousands of slow activities under way at a time, and loses none', async () => {
    const runs = 45;
    const wide = workflow((mesh) => mesh.all(Array.from({ length: 100 }, (_, n) => mesh.activity('slow', { n }))));
    const gate = Promise.withResolvers<object>();
    const { activities, engine } = await start(wide, { local: () => gate.promise });
    await Promise.all(
      Array.from({ length: runs }, () => {
        const runId = newTaskId();
        return engine.startInstance(runId, 'steps', 1, envelopeOf(runId, activities));
      }),
    );
    const count = (line: string) => activities.log.filter((each) => each === line).length;
    await expect.poll(() => count('local slow'), patient).toBe(100 * runs);
    gate.resolve({});
    await expect.poll(() => count('finish completed'), patient).toBe(runs);
  }, 60_000);

  it('makes turns while activities are slow', async () => {
    const gate = Promise.withResolvers<object>();
    const { activities, engine } = await start(
      workflow((mesh, input) => mesh.activity(String(input), {})),
      { local: (name) => (name === 'slow' ? gate.promise : {}) },
    );
    const begin = async (name: string): Promise<void> => {
      const runId = newTaskId();
      activities.input = name;
      await engine.startInstance(runId, 'steps', 1, envelopeOf(runId, activities, name));
      await expect.poll(() => activities.log, patient).toContain(`local ${name}`);
    };
    for (let n = 0; n < 12; n++) await begin('slow');
    await expect.poll(() => activities.log.filter((line) => line === 'local slow').length, patient).toBe(12);
    await begin('quick');
    await expect.poll(() => activities.end, patient).toMatchObject({ status: 'completed' });
    gate.resolve({});
  });

  it('cancels a run that waits and undoes what it did', async () => {
    const undoing = workflow(async function* (mesh) {
      yield* mesh.call({ skill: 'a' }, {}, { undo: { target: { agent: 'undo-a' }, input: (result) => ({ result }) } });
      yield* mesh.waitFor('never');
    });
    const { activities, runId } = await run(undoing, { agents: { a: () => ({ later: completed({ id: 1 }) }) } });
    await expect.poll(() => activities.log, patient).toContain('wait never');
    activities.raise(runId, 'cancel', { reason: 'enough' });
    await expect
      .poll(() => activities.end, patient)
      .toEqual({ status: 'canceled', reason: 'enough', undone: ['a at 0'] });
    expect(activities.sent.at(-1)?.input).toEqual({ result: { id: 1 } });
  });

  it('carries events over many generations and loses none', async () => {
    const counting = workflow(async function* (mesh, input) {
      const { round } = z.object({ round: z.number() }).parse(input);
      yield* mesh.waitFor('tick');
      if (round < 30) return yield* mesh.continueAsNew({ round: round + 1 });
      return round;
    });
    const { activities, engine, runId } = await run(counting, {}, { round: 0 });
    const ticks = () => activities.log.filter((line) => line === 'propose tick').length;
    const event = { n: 0, token: '', payload: 0 };
    // Raw ones, as Dapr's own API raises them: only the instance has them.
    for (let n = 0; n <= 30; n++) await raiseUntilAccepted(engine, runId, 'tick', event);
    // A generation may have taken several: unlike rows, the scripted activities keep none for the next wait.
    await expect.poll(ticks, patient).toBe(31);
    expect(activities.claims.length).toBeGreaterThan(5);
  });

  it('fails the instance of a run that failed', async () => {
    const failing = workflow((mesh) => mesh.call({ skill: 'a' }, {}));
    const failure = { code: 'X', message: 'broken', retryable: false };
    const { activities, engine, runId } = await run(failing, {
      agents: { a: () => ({ status: 'rejected', failure }) },
    });
    await expect.poll(() => activities.end?.status, patient).toBe('failed');
    await expect.poll(() => engine.status(runId), patient).toBe('failed');
  });

  it('prints nothing', async () => {
    const prints = (['log', 'info', 'warn', 'error', 'debug'] as const).map((method) => vi.spyOn(console, method));
    const { activities } = await run(workflow((mesh) => mesh.call({ skill: 'a' }, {})));
    await expect.poll(() => activities.end?.status, patient).toBe('completed');
    for (const print of prints) expect(print).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });
});

describe('controlling instances', () => {
  it('takes a second start of the same run for done', async () => {
    const { activities, engine, runId } = await run(asking);
    await engine.startInstance(runId, 'steps', 1, envelopeOf(runId, activities));
    await expect.poll(() => activities.log.filter((line) => line.startsWith('ask')), patient).toHaveLength(1);
    expect(await engine.status(runId)).toBe('running');
  });

  it('tells what it does not find', async () => {
    const { engine } = await start(asking);
    const missing = newTaskId();
    expect(await engine.status(missing)).toBe('missing');
    expect(await engine.raise(missing, 'cancel', { n: 1, token: 't', payload: {} })).toBe('no-instance');
    await expect(engine.purge(missing)).resolves.toBeUndefined();
    await expect(engine.terminate(missing)).resolves.toBeUndefined();
  });

  it('terminates and purges', async () => {
    const { engine, runId } = await run(asking);
    await engine.terminate(runId);
    await expect.poll(() => engine.status(runId), patient).toBe('terminated');
    await engine.purge(runId);
    expect(await engine.status(runId)).toBe('missing');
  });
});

const restart = async (): Promise<void> => {
  const { port } = sidecar;
  sidecar = await startSidecar({
    path: join(folder, 'engine.db'),
    port,
    durability: 'normal',
    maxUnackedPerStream: 5000,
  });
};

it('carries the token a sidecar demands, and does nothing without it', async () => {
  await using guarded = await startSidecar({
    path: join(folder, 'guarded.db'),
    durability: 'normal',
    apiToken: 'secret',
  });
  const activities = new ScriptedActivities({}, () => undefined);
  const options = { address: guarded.address, workflows: [asking], activities, logger };
  const stranger = createEngine(options);
  cleanup.push(() => stranger.close());
  void stranger.start();
  const engine = createEngine({ ...options, apiToken: 'secret' });
  await connect(engine);
  const runId = newTaskId();
  await engine.startInstance(runId, asking.name, asking.version, envelopeOf(runId, activities));
  expect(await engine.status(runId)).toBe('running');
  expect(stranger.ready()).toBe(false);
  await engine.close();
});

describe('an engine that goes away', () => {
  it('is noticed, refused quickly, and found again with every run where it was', async () => {
    const { activities, engine } = await run(asking);
    let reconnects = 0;
    engine.onReconnect(() => reconnects++);
    await expect.poll(() => activities.openQuestions.length, patient).toBe(1);
    await sidecar.close();
    await expect.poll(() => engine.ready(), patient).toBe(false);
    const refused = engine.raise(newTaskId(), 'cancel', { n: 1, token: 't', payload: {} });
    await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
    expect(reconnects).toBe(0);

    await restart();
    await expect.poll(() => engine.ready(), patient).toBe(true);
    await expect.poll(() => reconnects, patient).toBe(1);
    const [question] = activities.openQuestions;
    activities.decide(question?.questionId ?? '', { status: 'answered', answer: { action: 'approve' }, by: 'me' });
    await expect.poll(() => activities.end?.status, patient).toBe('completed');
    // Executed again it may be, where its answer was lost with the engine; asked it was once.
    expect(activities.log.filter((line) => line === 'ask 0')).toHaveLength(1);
  });

  it('is found again each time it comes back, also where it was away from the start', async () => {
    const activities = new ScriptedActivities({}, () => undefined);
    const { address } = sidecar;
    await sidecar.close();
    const engine = createEngine({ address, workflows: [asking], activities, logger });
    let closed: Promise<void> | undefined;
    cleanup.push(() => (closed ??= engine.close()));
    await engine.start();
    expect(engine.ready()).toBe(false);
    for (let round = 0; round < 2; round++) {
      await restart();
      await expect.poll(() => engine.ready(), patient).toBe(true);
      const runId = newTaskId();
      await engine.startInstance(runId, 'steps', 1, envelopeOf(runId, activities));
      await expect.poll(() => activities.openQuestions.length, patient).toBe(round + 1);
      await sidecar.close();
      await expect.poll(() => engine.ready(), patient).toBe(false);
    }
    await restart();
  });

  it('hands an activity out again whose answer it did not get', async () => {
    let tries = 0;
    const { activities } = await run(
      workflow((mesh) => mesh.activity('hang', {})),
      {
        local: () => (++tries === 1 ? new Promise(() => undefined) : { tries }),
      },
    );
    await expect.poll(() => tries, patient).toBe(1);
    await sidecar.close();
    await restart();
    await expect.poll(() => activities.end, patient).toEqual({ status: 'completed', output: { result: { tries: 2 } } });
  });
});

describe('a worker that lacks the code of a run', () => {
  it('leaves it as it is, and a worker that has it goes on', async () => {
    const { activities, engine } = await start(workflow((mesh) => mesh.progress('one'), 1));
    const stalls: Stall[] = [];
    engine.onStall((stall) => stalls.push(stall));
    const runId = newTaskId();
    await engine.startInstance(runId, 'steps', 2, envelopeOf(runId, activities));
    await expect.poll(() => stalls, patient).toMatchObject([{ instanceId: runId, reason: 'WORKFLOW_NOT_FOUND' }]);
    expect(await engine.status(runId)).toBe('running');
    await engine.close();

    const capable = await start(workflow((mesh) => mesh.call({ skill: 'a' }, {}), 2));
    await capable.engine.raise(runId, 'wake', { n: 0, token: '', payload: {} });
    await expect.poll(() => capable.activities.end?.status, patient).toBe('completed');
  });

  it('or has changed code for it, tells the same', async () => {
    const { activities, engine, runId } = await run(
      workflow((mesh) => mesh.call({ skill: 'a' }, { n: 1 })),
      { agents: { a: () => 'open' } },
    );
    await expect.poll(() => activities.sent.length, patient).toBe(1);
    await engine.close();
    const changed = await start(workflow((mesh) => mesh.call({ skill: 'b' }, { n: 1 })));
    const stalls: Stall[] = [];
    changed.engine.onStall((stall) => stalls.push(stall));
    await changed.engine.raise(runId, 'wake', { n: 0, token: '', payload: {} });
    await expect.poll(() => stalls, patient).toMatchObject([{ instanceId: runId, reason: 'NON_DETERMINISM' }]);
    expect(await changed.engine.status(runId)).toBe('running');
  });
});
