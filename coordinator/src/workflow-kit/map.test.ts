import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { BranchResult } from './all.ts';
import { eventNames } from './contract.ts';
import type { MapOptions } from './map.ts';
import type { Mesh } from './mesh.ts';
import type { Step } from './orchestration.ts';
import { completed, failed, type Script } from './testing/scripted-activities.ts';
import { runId, type StartedRun, startRun } from './testing/start-run.ts';
import { defineWorkflow, type WorkflowDefinition } from './workflow.ts';

const Host = z.strictObject({ host: z.int(), waitMs: z.int().default(0) });

const nobody = defineWorkflow({
  name: 'nobody',
  version: 1,
  description: 'a child that nobody runs',
  input: z.unknown(),
  output: z.unknown(),
  // oxlint-disable-next-line require-yield -- it needs nobody
  async *run() {
    return {};
  },
});

/** Waits, reserves (which can be undone), then scans. */
const scanHostWith = (uses: WorkflowDefinition[]) =>
  defineWorkflow({
    name: 'scan-host',
    version: 1,
    description: 'scans a host',
    uses,
    input: Host,
    output: z.strictObject({ host: z.int(), open: z.int() }),
    async *run(mesh, { host, waitMs }) {
      if (waitMs > 0) yield* mesh.sleep(waitMs);
      yield* mesh.call(
        { skill: 'reserve' },
        { host },
        { undo: { target: { agent: 'release' }, input: () => ({ host }) } },
      );
      yield* mesh.call({ skill: 'scan' }, { host }, { retry: { attempts: 1 } });
      return { host, open: host % 3 };
    },
  });

const scanHost = scanHostWith([]);
/** What has children of its own is worked on by lanes, however few items there are. */
const scanHostInLanes = scanHostWith([nobody]);

const scanAll = (options: MapOptions, after?: (mesh: Mesh) => Step<unknown>, each = scanHostInLanes) =>
  defineWorkflow({
    name: 'scan-all',
    version: 1,
    description: 'scans hosts',
    input: z.array(Host),
    output: z.unknown(),
    uses: [each],
    async *run(mesh, hosts) {
      // The overloads are chosen by a literal.
      const results: unknown =
        options.onFailure === 'collect'
          ? yield* mesh.map(hosts, each, { ...options, onFailure: 'collect' })
          : yield* mesh.map(hosts, each, { ...options, onFailure: 'fail-fast' });
      if (after) yield* after(mesh);
      return results;
    },
  });

const hosts = (count: number, waitMs: (host: number) => number = () => 0) =>
  Array.from({ length: count }, (_, host) => ({ host, waitMs: waitMs(host) }));

const hostOf = (input: unknown): number => Host.pick({ host: true }).parse(input).host;

const released = ({ activities }: StartedRun): number[] =>
  activities.sent.filter((call) => call.compensating).map(({ input }) => hostOf(input));

const reserved = ({ activities }: StartedRun): number[] =>
  activities.sent.filter((call) => call.target.skill === 'reserve').map(({ input }) => hostOf(input));

/** A small repeatable generator of whole numbers below a bound (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(below, 1);
  };
}

describe('a map', () => {
  it.each([
    [0, 4],
    [1, 4],
    [3, 10],
    [50, 7],
  ])('of %i items has every result in its place, with at most %i lanes', async (count, limit) => {
    const run = startRun(scanAll({ limit }), hosts(count));
    await run.engine.settle();
    const output = hosts(count).map(({ host }) => ({ host, open: host % 3 }));
    expect(run.activities.end).toEqual({ status: 'completed', output });
    expect(run.engine.children.size).toBe(Math.min(count, limit));
    expect(reserved(run).toSorted((a, b) => a - b)).toEqual(hosts(count).map(({ host }) => host));
  });

  it('of 1,000 items is no different', async () => {
    const double = defineWorkflow({
      name: 'double',
      version: 1,
      description: 'doubles a number',
      input: z.int(),
      output: z.int(),
      // oxlint-disable-next-line require-yield -- it needs nobody
      async *run(_mesh, number) {
        return 2 * number;
      },
    });
    const doubles = defineWorkflow({
      name: 'doubles',
      version: 1,
      description: 'doubles numbers',
      input: z.array(z.int()),
      output: z.array(z.int()),
      uses: [double],
      async *run(mesh, numbers) {
        return yield* mesh.map(numbers, double, { limit: 20 });
      },
    });
    const numbers = Array.from({ length: 1000 }, (_, number) => number);
    const run = startRun(doubles, numbers);
    await run.engine.settle();
    expect(run.activities.end).toEqual({ status: 'completed', output: numbers.map((number) => 2 * number) });
    expect(run.engine.children.size).toBe(20);
  }, 60_000);

  it('tells how many items have ended, where it shall', async () => {
    const run = startRun(scanAll({ limit: 3, progress: 'hosts' }), hosts(4));
    await run.engine.settle();
    expect(run.activities.progressed.map(({ message, percent }) => `${message}, ${percent} %`)).toEqual([
      '1 of 4 hosts, 25 %',
      '2 of 4 hosts, 50 %',
      '3 of 4 hosts, 75 %',
      '4 of 4 hosts, 100 %',
    ]);
    const long = startRun(scanAll({ limit: 3, progress: 'hosts' }), hosts(50));
    await long.engine.settle();
    expect(long.activities.progressed).toHaveLength(12);
  });

  it('never works on more items than allowed, whatever comes first', async () => {
    const random = generator(7);
    const open = new Map<string, number>();
    let most = 0;
    const script: Script = {
      agents: {
        scan: ({ callId, input }) => {
          open.set(callId, hostOf(input));
          most = Math.max(most, open.size);
          return 'open';
        },
      },
    };
    const run = startRun(scanAll({ limit: 6 }), hosts(60), script);
    run.engine.choose = random;
    for (await run.engine.settle(); open.size > 0; await run.engine.settle()) {
      const callId = [...open.keys()][random(open.size)] ?? '';
      open.delete(callId);
      run.activities.settle(callId, 1, completed({}));
    }
    expect(run.activities.end?.status).toBe('completed');
    expect(most).toBe(6);
  });

  it('keeps the history of a lane short', async () => {
    const longest = new Map<string, number>();
    const run = startRun(scanAll({ limit: 2 }), hosts(150));
    run.engine.beforeTurn = () => {
      for (const lane of run.engine.children.values()) {
        longest.set(lane.instanceId, Math.max(longest.get(lane.instanceId) ?? 0, lane.historyLength));
      }
    };
    await run.engine.settle();
    expect(run.activities.end?.status).toBe('completed');
    // 10 items with three activities each, and the events that come with them.
    for (const length of longest.values()) expect(length).toBeLessThan(200);
  });

  it.each([scanHostInLanes, scanHost])('collects failures in their places', async (each) => {
    const script: Script = {
      agents: { scan: ({ input }) => (hostOf(input) % 4 === 1 ? failed('down') : completed({})) },
    };
    const run = startRun(scanAll({ limit: 3, onFailure: 'collect' }, undefined, each), hosts(10), script);
    await run.engine.settle();
    expect(run.activities.end).toMatchObject({ status: 'completed' });
    const results: BranchResult<unknown>[] = run.engine.output as BranchResult<unknown>[];
    expect(results.map((result) => (result.ok ? 'ok' : result.failure.code))).toEqual(
      hosts(10).map(({ host }) => (host % 4 === 1 ? 'PEER_FAILED' : 'ok')),
    );
    expect(released(run)).toEqual([]);
  });

  it.each([scanHostInLanes, scanHost])(
    'refuses an item that does not fit as the failure of that item',
    async (each) => {
      const items = [{ host: 1 }, { host: 'two' }, { host: 3 }];
      const anything = defineWorkflow({
        name: 'anything',
        version: 1,
        description: 'maps anything',
        input: z.unknown(),
        output: z.unknown(),
        uses: [each],
        // What the types forbid comes from outside now and then.
        run: async function* (mesh) {
          return yield* mesh.map(items as { host: number }[], each, { onFailure: 'collect' });
        },
      });
      const run = startRun(anything, {});
      await run.engine.settle();
      expect(run.engine.output).toMatchObject([
        { ok: true },
        { ok: false, failure: { code: 'INVALID_ARGUMENT' } },
        { ok: true },
      ]);
    },
  );

  it.each([scanHostInLanes, scanHost])(
    'fails fast: the others are canceled, and everything is undone once',
    async (each) => {
      const script: Script = { agents: { scan: ({ input }) => (hostOf(input) === 5 ? failed('down') : 'open') } };
      const run = startRun(scanAll({ limit: 4 }, undefined, each), hosts(20), script);
      await run.engine.settle();
      expect(run.activities.end).toBeUndefined();
      // One lane goes on, to the item that fails.
      for (const call of run.activities.sent.filter(
        ({ target, input }) => target.skill === 'scan' && hostOf(input) < 2,
      )) {
        run.activities.settle(call.callId, 1, completed({}));
        await run.engine.settle();
      }
      expect(run.activities.end).toMatchObject({
        status: 'failed',
        failure: { code: 'PEER_FAILED', message: 'scan: down' },
      });
      expect(released(run).toSorted((a, b) => a - b)).toEqual(reserved(run).toSorted((a, b) => a - b));
      expect(run.engine.tree.every(({ status }) => status !== 'running')).toBe(true);
      expect(run.activities.end).toMatchObject({ notUndone: [] });
    },
  );

  it('is undone in reverse order of completion over all lanes', async () => {
    const order = [30, 10, 50, 20, 60, 40];
    const failing = scanAll({ limit: 6 }, async function* (mesh) {
      yield* mesh.call({ skill: 'bad' }, {}, { retry: { attempts: 1 } });
    });
    const run = startRun(
      failing,
      hosts(6, (host) => order[host] ?? 0),
      { agents: { bad: () => failed('no') } },
    );
    await run.engine.settle();
    expect(run.activities.end).toMatchObject({ status: 'failed', notUndone: [] });
    expect(released(run)).toEqual([4, 2, 5, 0, 3, 1]);
  });

  it.each([scanHostInLanes, scanHost])(
    'can be canceled anywhere: nothing is undone twice, nothing is forgotten',
    async (each) => {
      const definition = scanAll({ limit: 3 }, undefined, each);
      const begin = (seed: number, cancelAt: number): StartedRun => {
        const random = generator(seed);
        const script: Script = { agents: { scan: () => (random(2) === 0 ? completed({}) : { later: completed({}) }) } };
        const run = startRun(
          definition,
          hosts(9, () => random(40)),
          script,
        );
        run.engine.choose = random;
        run.engine.beforeTurn = (turn) => {
          if (turn === cancelAt) run.activities.raise(runId, eventNames.cancel, { reason: 'enough' });
        };
        return run;
      };
      const whole = begin(1, 0);
      await whole.engine.settle();
      expect(whole.activities.end?.status).toBe('completed');
      for (let at = 1; at <= whole.engine.turns; at++) {
        const run = begin(at, at);
        await run.engine.settle();
        if (run.activities.end?.status === 'completed') continue;
        expect(run.activities.end, `turn ${at}`).toMatchObject({ status: 'canceled', reason: 'enough' });
        expect(
          released(run).toSorted((a, b) => a - b),
          `turn ${at}`,
        ).toEqual(reserved(run).toSorted((a, b) => a - b));
        expect(
          run.engine.tree.every(({ status }) => status === 'completed'),
          `turn ${at}`,
        ).toBe(true);
      }
    },
    60_000,
  );

  it('is undone whole where a lane is canceled while it hands an item over', async () => {
    const run = startRun(scanAll({ limit: 1 }), hosts(4));
    const nextItem = run.activities.nextItem.bind(run.activities);
    // What a lane asked for is done after all else, as by a process that was killed and began again.
    run.activities.nextItem = async (input) => {
      if (input.settled?.index === 2) {
        run.activities.raise(runId, eventNames.cancel, { reason: 'enough' });
        for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      return nextItem(input);
    };
    await run.engine.settle();
    expect(run.activities.end).toMatchObject({ status: 'canceled' });
    expect(released(run)).toEqual([2, 1, 0]);
  });

  it('started over from the beginning repeats no call', async () => {
    const agents = { scan: () => ({ later: completed({}) }) };
    const definition = scanAll({ limit: 2 });
    const whole = startRun(definition, hosts(50), { agents });
    await whole.engine.settle();
    for (const at of [20, 90, 250, whole.engine.turns - 20]) {
      const first = startRun(definition, hosts(50), { agents });
      let left = at;
      first.engine.beforeTurn = () => {
        if (--left === 0) first.engine.stop();
      };
      await first.engine.settle();
      const again = startRun(
        definition,
        hosts(50),
        {},
        { startedOver: { activities: first.activities, token: `after ${at}` } },
      );
      await again.engine.settle();
      expect(first.activities.end, `stopped at ${at}`).toMatchObject({ status: 'completed' });
      expect(first.activities.sent, `stopped at ${at}`).toHaveLength(100);
    }
  }, 60_000);

  it('of few items is worked on by the run itself, as many at a time as allowed', async () => {
    const run = startRun(scanAll({ limit: 4, progress: 'hosts' }, undefined, scanHost), hosts(20), {
      agents: { scan: () => 'open' },
    });
    await run.engine.settle();
    for (let ended = 0; ended < 20; ended++) {
      const scans = run.activities.sent.filter(({ target }) => target.skill === 'scan');
      expect(scans).toHaveLength(Math.min(ended + 4, 20));
      run.activities.settle(scans[ended]?.callId ?? '', 1, completed({}));
      await run.engine.settle();
    }
    expect(run.engine.children.size).toBe(0);
    expect(run.activities.end).toEqual({
      status: 'completed',
      output: hosts(20).map(({ host }) => ({ host, open: host % 3 })),
    });
    expect(run.activities.progressed.map(({ message }) => message)).toEqual(
      [4, 8, 12, 16, 20].map((ended) => `${ended} of 20 hosts`),
    );
    const more = startRun(scanAll({ limit: 4 }, undefined, scanHost), hosts(21));
    await more.engine.settle();
    expect(more.engine.children.size).toBe(4);
  });

  it('of few items is no place for what a child may not do, and commits for the item alone', async () => {
    const item = defineWorkflow({
      name: 'item',
      version: 1,
      description: 'registers what undoes it',
      input: z.int(),
      output: z.int(),
      async *run(mesh, number) {
        if (number === 2) mesh.compensate('code', () => mesh.sleep(1));
        yield* mesh.call(
          { skill: 'do' },
          { number },
          { undo: { target: { agent: 'undo' }, input: () => ({ number }) } },
        );
        if (number === 1) mesh.commit();
        return number;
      },
    });
    const all = defineWorkflow({
      name: 'all',
      version: 1,
      description: 'maps and fails',
      input: z.array(z.int()),
      output: z.unknown(),
      uses: [item],
      async *run(mesh, numbers) {
        const results = yield* mesh.map(numbers, item, { onFailure: 'collect', limit: 1 });
        yield* mesh.call(
          { skill: 'check' },
          { failed: results.flatMap((result) => (result.ok ? [] : [result.failure.code])) },
        );
        yield* mesh.call({ skill: 'bad' }, {}, { retry: { attempts: 1 } });
      },
    });
    const run = startRun(all, [0, 1, 2, 3], { agents: { bad: () => failed('no', false) } });
    await run.engine.settle();
    const inputsOf = (skill: string) =>
      run.activities.sent.filter(({ target }) => target.skill === skill).map(({ input }) => input);
    expect(inputsOf('check')).toEqual([{ failed: ['INTERNAL'] }]);
    const undone = run.activities.sent.filter((call) => call.compensating).map(({ input }) => input);
    expect(undone).toEqual([{ number: 3 }, { number: 0 }]);
  });

  it.each([[[]], [[nobody]]])('gives and gets the same however its items are worked on', async (uses) => {
    const echo = defineWorkflow({
      name: 'echo',
      version: 1,
      description: 'gives back what it got, changed',
      uses,
      input: z.unknown(),
      output: z.unknown(),
      // oxlint-disable-next-line require-yield -- it needs nobody
      async *run(_mesh, given) {
        if (Array.isArray(given)) given.push('changed');
        return given;
      },
    });
    const list = ['kept'];
    const seen: unknown[] = [];
    const all = defineWorkflow({
      name: 'all',
      version: 1,
      description: 'maps what is no JSON',
      input: z.unknown(),
      output: z.unknown(),
      uses: [echo],
      async *run(mesh) {
        seen.push(yield* mesh.map([undefined, new Date(0), list], echo), yield* mesh.map([], echo));
      },
    });
    const run = startRun(all, {});
    await run.engine.settle();
    expect(run.activities.end?.status).toBe('completed');
    expect(seen.slice(-2)).toEqual([[null, '1970-01-01T00:00:00.000Z', ['kept', 'changed']], []]);
    expect(list).toEqual(['kept']);
  });

  it('of few items runs no child that only its own workflow names', async () => {
    const sly = defineWorkflow({
      name: 'sly',
      version: 1,
      description: 'runs a child it does not name',
      input: z.unknown(),
      output: z.unknown(),
      async *run(mesh) {
        return yield* mesh.child(nobody, {});
      },
    });
    const all = defineWorkflow({
      name: 'all',
      version: 1,
      description: 'maps',
      input: z.unknown(),
      output: z.unknown(),
      uses: [sly, nobody],
      async *run(mesh) {
        return yield* mesh.map([1], sly, { onFailure: 'collect' });
      },
    });
    const run = startRun(all, {});
    await run.engine.settle();
    expect(run.engine.output).toMatchObject([{ ok: false }]);
    expect(run.engine.children.size).toBe(0);
  });
});
