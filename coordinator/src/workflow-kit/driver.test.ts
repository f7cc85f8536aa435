import { MeshError } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';
import { completed } from './testing/scripted-activities.ts';
import { runId, startRun } from './testing/start-run.ts';
import { defineWorkflow } from './workflow.ts';

const workflow = (run: (mesh: Mesh) => Step<unknown>, schemas: { input?: z.ZodType; output?: z.ZodType } = {}) =>
  defineWorkflow({
    name: 'steps',
    version: 1,
    description: 'steps',
    input: schemas.input ?? z.unknown(),
    output: schemas.output ?? z.unknown(),
    async *run(mesh) {
      return { result: yield* run(mesh) };
    },
  });

describe('a run', () => {
  it('sleeps on the time of the engine', async () => {
    const times: string[] = [];
    const sleeping = workflow(async function* (mesh) {
      const before = mesh.now();
      yield* mesh.sleep('2h');
      times.push(mesh.uuid());
      return mesh.now().getTime() - before.getTime();
    });
    const { engine, activities } = startRun(sleeping, {});
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: 7_200_000 } });
    expect(times.length).toBeGreaterThan(1);
    expect(new Set(times).size).toBe(1);
    expect(times[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('that is fresh shows its token with its first activities, and asks for nothing', async () => {
    const working = workflow(async function* (mesh) {
      yield* mesh.all([mesh.call({ skill: 'a' }, {}), mesh.call({ skill: 'b' }, {})]);
      yield* mesh.call({ skill: 'c' }, {});
    });
    const { engine, activities } = startRun(working, {}, {}, { fresh: true });
    const shown: (string | undefined)[] = [];
    const send = activities.send.bind(activities);
    activities.send = (input) => {
      shown.push(input.token);
      return send(input);
    };
    await engine.settle();
    expect(activities.end?.status).toBe('completed');
    expect(shown).toEqual(['start-token', 'start-token', undefined]);
    expect(activities.claims).toEqual([]);
  });

  it('stops without a trace where its place is taken, whatever its code makes of that', async () => {
    const stubborn = workflow(async function* (mesh) {
      try {
        yield* mesh.activity('first', {});
      } catch {
        // It goes on.
      }
      yield* mesh.call({ skill: 'second' }, {});
    });
    const replaced = new MeshError('INSTANCE_REPLACED', 'another instance runs this run');
    const { engine, activities } = startRun(stubborn, {}, { local: () => Promise.reject(replaced) }, { fresh: true });
    await engine.settle();
    expect(engine.output).toEqual({ stopped: replaced.message });
    expect(activities.log).toEqual(['local first']);
  });

  it('refuses input that does not fit before anything is done', async () => {
    const strict = workflow(() => expect.unreachable(), { input: z.strictObject({ text: z.string() }) });
    const { engine, activities } = startRun(strict, { text: 1 });
    await engine.settle();
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'INVALID_ARGUMENT' } });
  });

  it('fails when it returns what it does not promise', async () => {
    const lying = workflow((mesh) => mesh.activity('x', {}), { output: z.strictObject({ other: z.string() }) });
    const { engine, activities } = startRun(lying, {});
    await engine.settle();
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'INVALID_OUTPUT' } });
  });

  it('tries an activity again that failed for a while', async () => {
    let tries = 0;
    const working = workflow((mesh) => mesh.activity('write', {}));
    const { engine, activities } = startRun(
      working,
      {},
      {
        local: () => {
          if (++tries < 3) throw new Error('busy');
          return tries;
        },
      },
    );
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: { result: 3 } });
  });

  it('is claimed with its raw input when Dapr started it', async () => {
    const calling = workflow((mesh) => mesh.call({ skill: 'a' }, {}));
    const agents = { a: () => ({ later: completed(1) }) };
    const { engine, activities } = startRun(calling, { text: 'raw' }, { agents }, { raw: true });
    await engine.settle();
    const claim = { instanceId: runId, workflow: 'steps', version: 1, generation: 0, input: { text: 'raw' } };
    expect(activities.claims).toEqual([claim]);
    expect(activities.end).toEqual({ status: 'completed', output: { result: 1 } });
  });
});

describe('defineWorkflow', () => {
  it('refuses a function the engine would not run', () => {
    // A sync generator fits the type of a workflow's run only by force.
    const run = function* () {} as never;
    expect(() =>
      defineWorkflow({ name: 'x', version: 1, description: '', input: z.unknown(), output: z.unknown(), run }),
    ).toThrow('async generator');
  });

  it.each(['Bad', 'bad_name', '-bad', ''])('refuses the name %j', (name) => {
    expect(() =>
      defineWorkflow({ name, version: 1, description: '', input: z.unknown(), output: z.unknown(), async *run() {} }),
    ).toThrow('not a workflow name');
  });
});
