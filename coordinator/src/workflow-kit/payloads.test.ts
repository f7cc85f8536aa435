import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { eventNames } from './contract.ts';
import { inlineBytes, maxPayloadBytes, Payloads } from './payloads.ts';
import { MemoryPayloads } from './testing/memory-payloads.ts';
import { completed } from './testing/scripted-activities.ts';
import { runId, startRun } from './testing/start-run.ts';
import { defineWorkflow } from './workflow.ts';

const large = 'ä'.repeat(512 * 1024);
const mebibyte = 1024 * 1024;

describe('a value that travels', () => {
  const store = new MemoryPayloads();

  it('stays itself up to 16 kB, and becomes a reference above', async () => {
    const payloads = new Payloads(store);
    // Two quotes belong to the JSON of a text.
    const fitting = 'x'.repeat(inlineBytes - 2);
    expect(await payloads.pack('run', 'input', fitting)).toEqual({ input: fitting });
    expect(await payloads.pack('run', 'input', `${fitting}x`)).toEqual({
      ref: { $ref: expect.stringMatching(/^sha256:[0-9a-f]{64}$/), bytes: inlineBytes + 1 },
    });
  });

  it('is the same again where it was a reference, also for another process', async () => {
    const value = { text: large, list: [1, null, 'two'] };
    const carried = await new Payloads(store).pack('run', 'output', value);
    expect(carried).toMatchObject({ ref: { bytes: expect.toSatisfy((bytes: number) => bytes > mebibyte) } });
    expect(await new Payloads(store).unpack('output', carried)).toEqual(value);
  });

  it('is stored once, however often it is packed', async () => {
    const counting = new MemoryPayloads();
    const payloads = new Payloads(counting);
    for (let time = 0; time < 3; time++) await payloads.pack('run', 'input', large);
    expect(counting.puts).toBe(1);
  });

  it('is stored again by who packs it again, when it was found to be gone', async () => {
    const emptied = new MemoryPayloads();
    const payloads = new Payloads(emptied);
    // More than is kept in memory.
    const value = 'x'.repeat(9 * mebibyte);
    const carried = await payloads.pack('run', 'input', value);
    emptied.texts.clear();
    await expect(payloads.unpack('input', carried)).rejects.toMatchObject({ code: 'PAYLOAD_MISSING' });
    expect(await payloads.unpack('input', await payloads.pack('run', 'input', value))).toBe(value);
  });

  it('cannot be a reference by what a user puts into it', async () => {
    const payloads = new Payloads(store);
    const { ref } = (await payloads.pack('run', 'input', large)) as { ref: object };
    const carried = await payloads.pack('run', 'input', { ref, ...ref });
    expect(await payloads.unpack('input', carried)).toEqual({ ref, ...ref });
  });

  it('is refused when it is too large, and stays itself where there is no store', async () => {
    const huge = 'x'.repeat(maxPayloadBytes);
    await expect(new Payloads(store).pack('run', 'input', huge)).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    expect(await new Payloads().pack('run', 'input', large)).toEqual({ input: large });
  });
});

const text = z.strictObject({ text: z.string() });

/** Every kind of value a run has, all of them large. */
const chain = defineWorkflow({
  name: 'chain',
  version: 1,
  description: 'chain',
  input: text,
  output: text,
  async *run(mesh, input) {
    const first = text.parse(yield* mesh.call({ skill: 'first' }, input));
    const second = text.parse(yield* mesh.call({ skill: 'second' }, first));
    const event = yield* mesh.waitFor('more');
    const third = text.parse(yield* mesh.activity('third', { second, event }));
    if (mesh.generation === 0) yield* mesh.continueAsNew(third);
    return third;
  },
});
const agents = {
  first: () => completed({ text: `${large}1` }),
  second: () => ({ later: completed({ text: `${large}2` }) }),
};
const script = { agents, local: () => ({ text: `${large}3` }) };

async function begin() {
  const store = new MemoryPayloads();
  const { engine, activities } = startRun(chain, { text: large }, script, { payloads: new Payloads(store) });
  await engine.settle();
  return { store, engine, activities };
}

describe('a run with large values', () => {
  it('has a small history, and sees the values in every replay', async () => {
    const { store, engine, activities } = await begin();
    for (const name of ['more', 'more']) {
      activities.receive(name, { status: 'received', payload: large });
      await engine.settle();
      expect(engine.historyBytes).toBeLessThan(64 * 1024);
    }
    expect(activities.end).toEqual({ status: 'completed', output: { text: `${large}3` } });
    expect(engine.output).toEqual({ $ref: expect.stringMatching(/^sha256:/), bytes: expect.any(Number) });
    expect(store.texts.has((engine.output as { $ref: string }).$ref)).toBe(true);
  });

  it('is shown by the engine with its whole output, up to 256 kB', async () => {
    const echo = defineWorkflow({
      ...chain,
      async *run(mesh, input) {
        yield* mesh.progress('at work');
        return input;
      },
    });
    const show = async (chars: number): Promise<unknown> => {
      const { engine } = startRun(
        echo,
        { text: 'x'.repeat(chars) },
        {},
        { payloads: new Payloads(new MemoryPayloads()) },
      );
      await engine.settle();
      return engine.output;
    };
    expect(await show(200_000)).toEqual({ text: 'x'.repeat(200_000) });
    expect(await show(300_000)).toMatchObject({ $ref: expect.stringMatching(/^sha256:/) });
  });

  it('is stalled where one is gone, and goes on when it is back', async () => {
    const { store, engine, activities } = await begin();
    const kept = new Map(store.texts);
    store.texts.clear();
    // Another process, which has none in memory.
    engine.replaceCode(chain, new Payloads(store));
    activities.raise(runId, eventNames.resume, {});
    await engine.settle();
    expect(engine.failure).toEqual({
      type: 'PAYLOAD_MISSING',
      message: expect.stringContaining('is not stored any more'),
    });
    expect(activities.end).toBeUndefined();

    for (const [ref, json] of kept) store.texts.set(ref, json);
    engine.replaceCode(chain);
    activities.receive('more', { status: 'received', payload: {} });
    await engine.settle();
    activities.receive('more', { status: 'received', payload: {} });
    await engine.settle();
    expect(activities.end).toMatchObject({ status: 'completed' });
  });

  it('is stalled also where its code would catch the error', async () => {
    const catching = defineWorkflow({
      ...chain,
      input: z.unknown(),
      output: z.unknown(),
      async *run(mesh) {
        try {
          yield* mesh.call({ skill: 'first' }, {});
          yield* mesh.waitFor('more');
        } catch {
          // whatever it was
        }
        return 'caught';
      },
    });
    const store = new MemoryPayloads();
    const { engine, activities } = startRun(catching, {}, { agents }, { payloads: new Payloads(store) });
    await engine.settle();
    store.texts.clear();
    engine.replaceCode(catching, new Payloads(store));
    activities.raise(runId, eventNames.resume, {});
    await engine.settle();
    expect(engine.failure?.type).toBe('PAYLOAD_MISSING');
    expect(activities.end).toBeUndefined();
  });

  it('fails by a code where a value is too large, and the workflow may catch it', async () => {
    const huge = 'x'.repeat(maxPayloadBytes);
    const catching = defineWorkflow({
      ...chain,
      output: z.unknown(),
      async *run(mesh) {
        const codes: unknown[] = [];
        for (const step of [() => mesh.activity('huge', {}), () => mesh.activity('taking', { huge })]) {
          try {
            yield* step();
          } catch (error) {
            codes.push((error as { code?: string }).code);
          }
        }
        return codes;
      },
    });
    const payloads = new Payloads(new MemoryPayloads());
    const { engine, activities } = startRun(catching, { text: '' }, { local: () => huge }, { payloads });
    await engine.settle();
    expect(activities.end).toEqual({ status: 'completed', output: ['PAYLOAD_TOO_LARGE', 'PAYLOAD_TOO_LARGE'] });
  });

  // What has children of its own is worked on by lanes.
  it.each([[[]], [[chain]]])('fails by a code where its output is too large, and undoes what it did', async (uses) => {
    const big = 'x'.repeat(9 * mebibyte);
    const child = defineWorkflow({
      ...chain,
      name: 'part',
      uses,
      input: z.unknown(),
      output: z.unknown(),
      async *run(mesh) {
        yield* mesh.call({ skill: 'first' }, {}, { undo: { target: { agent: 'undo' }, input: () => ({}) } });
        return [yield* mesh.activity('big', {}), yield* mesh.activity('big', {})];
      },
    });
    const parent = defineWorkflow({
      ...child,
      name: 'parent',
      uses: [child],
      async *run(mesh) {
        const [result] = yield* mesh.map([1], child, { onFailure: 'collect' });
        yield* mesh.call({ skill: 'first' }, {}, { undo: { target: { agent: 'undo' }, input: () => ({}) } });
        return [result?.ok === false && result.failure.code, yield* mesh.activity('big', {}), big];
      },
    });
    const payloads = new Payloads(new MemoryPayloads());
    const { engine, activities } = startRun(parent, {}, { local: () => big, agents }, { payloads });
    await engine.settle();
    expect(activities.end).toMatchObject({ status: 'failed', failure: { code: 'PAYLOAD_TOO_LARGE' }, notUndone: [] });
    expect(activities.sent.filter((call) => call.compensating)).toHaveLength(2);
    expect([...activities.tree.items.values()].flat()).toMatchObject(
      uses.length === 0 ? [] : [{ outcome: { ok: false, failure: { code: 'PAYLOAD_TOO_LARGE' } }, undos: [{}] }],
    );
  });

  it('says what stays undone where a child could not hand it over, and nothing of one that was never opened', async () => {
    const big = 'x'.repeat(6 * mebibyte);
    const child = defineWorkflow({
      ...chain,
      name: 'part',
      input: z.unknown(),
      output: z.unknown(),
      // oxlint-disable-next-line require-yield -- it needs nobody
      async *run(mesh) {
        for (let step = 0; step < 3; step++)
          mesh.compensate(`part ${step}`, { target: { agent: 'undo' }, input: { big } });
        return {};
      },
    });
    const parent = defineWorkflow({
      ...child,
      name: 'parent',
      uses: [child],
      async *run(mesh) {
        yield* mesh.child(child, {});
        yield* mesh.child(child, [big, big, big]);
      },
    });
    const payloads = new Payloads(new MemoryPayloads());
    const { engine, activities } = startRun(parent, {}, {}, { payloads });
    await engine.settle();
    expect(activities.end).toMatchObject({
      status: 'failed',
      failure: { code: 'COMPENSATION_FAILED', details: { cause: { code: 'PAYLOAD_TOO_LARGE' } } },
      notUndone: ['part 2', 'part 1', 'part 0'],
    });
  });
});
