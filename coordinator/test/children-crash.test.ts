import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentServer } from '@daca-mesh/protocol/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { http } from './coordinator.ts';
import { patiently, startWorker, type WorkDone } from './engine-mesh.ts';
import { AgentProcess } from './fixtures/agent-process.ts';

const program = new URL('fixtures/tree-coordinator.ts', import.meta.url);

const steps = Array.from({ length: 14 }, (_, index) => ({ name: `s${index}`, ms: 10 }));
const slow = ['x', 'y', 'z'].map((name) => ({ name, ms: 60_000 }));
const twigs = [
  [{ name: 'a' }, { name: 'b', ms: 20 }],
  [{ name: 'c', ms: 20 }, { name: 'd' }],
];
const refused = { name: 'last', fail: true };
const ofTree = ['first', 'a', 'b', 'c', 'd'];
const ofWood = steps.map(({ name }) => name);
const undoing = (names: readonly string[]): string[] => [...names, ...names.map((name) => `undo-${name}`)];

/** Where the coordinator kills itself, what it is asked for, how that ends, and what was done. */
const cases = [
  ['child-opened:3', 'tree', { twigs }, 'completed', ofTree],
  ['child-ended:3', 'tree', { twigs }, 'completed', ofTree],
  ['item-settled:5', 'wood', { steps, limit: 3 }, 'completed', ofWood],
  ['call-settled:5', 'shrub', { steps, limit: 3 }, 'completed', ofWood],
  // The call that is refused is undone too: an agent that fails may have done something.
  ['compensating:5', 'wood', { steps, limit: 3, last: refused }, 'failed', [...undoing(ofWood), 'undo-last']],
  ['compensating:5', 'shrub', { steps, limit: 3, last: refused }, 'failed', [...undoing(ofWood), 'undo-last']],
] satisfies [string, string, unknown, string, string[]][];

describe('a coordinator with children that is killed', () => {
  let folder: string;
  let worker: AgentServer;
  let done: WorkDone;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'children-crash-'));
    done = { effects: [], load: { now: 0, most: 0 } };
    worker = await startWorker(folder, done);
  });
  afterEach(async () => {
    await worker.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(cases)(
    'at %s ends its %s as it would have, and does everything once',
    async (point, workflow, input, status, expected) => {
      const data = join(folder, 'coordinator');
      await using coordinator = new AgentProcess(program, {
        MESH_DATA: data,
        MESH_PEERS: worker.url,
        MESH_KILL_AT: point,
      });
      const run = await survive(coordinator, workflow, input);
      expect(existsSync(join(data, `killed-at-${point.split(':')[0]}`))).toBe(true);
      expect(coordinator).toMatchObject({ starts: 2, kills: 1 });
      expect(run).toMatchObject({ status });
      expect(done.effects.toSorted()).toEqual([...expected].toSorted());
    },
    90_000,
  );

  it('in the middle of a cancel ends its run as canceled, and undoes everything once', async () => {
    const input = { steps: [...steps.slice(0, 3), ...slow], limit: 3 };
    await using coordinator = new AgentProcess(program, {
      MESH_DATA: join(folder, 'coordinator'),
      MESH_PEERS: worker.url,
      // Only a cancel ends a lane here: the second one dies with its coordinator.
      MESH_KILL_AT: 'child-ended:2',
    });
    const run = await survive(coordinator, 'wood', input, async (runId) => {
      await patiently(() => expect({ done: done.effects.length, now: done.load.now }).toEqual({ done: 3, now: 3 }));
      await patiently(async () => {
        const { status, body } = await http(`${coordinator.url}/runs/${runId}/cancel`, {});
        expect(status === 202 || body.code === 'RUN_FINISHED').toBe(true);
      });
    });
    expect(coordinator.kills).toBe(1);
    expect(run).toMatchObject({ status: 'canceled' });
    const begun = ['s0', 's1', 's2', 'x', 'y', 'z'];
    expect(done.effects.toSorted()).toEqual(['s0', 's1', 's2', ...begun.map((name) => `undo-${name}`)].toSorted());
  }, 90_000);

  it('at any moment, again and again, ends its runs as it would have, and does everything once', async () => {
    const seed = Number(process.hrtime.bigint() % 100_000n);
    const random = generator(seed);
    await using coordinator = new AgentProcess(program, {
      MESH_DATA: join(folder, 'coordinator'),
      MESH_PEERS: worker.url,
    });
    const many = Array.from({ length: 40 }, (_, index) => ({ name: `s${index}`, ms: 120 }));
    const surviving = survive(coordinator, 'wood', { steps: many, limit: 4, last: refused });
    const ended = new AbortController();
    void surviving.finally(() => ended.abort()).catch(() => undefined);
    const kills = process.env['CI'] ? 5 : 3;
    for (let kill = 0; kill < kills && !ended.signal.aborted; kill++) {
      await sleep(400 + random() * 900);
      coordinator.kill();
    }
    expect(await surviving, `seed ${seed}`).toMatchObject({ status: 'failed', error: { code: 'PEER_FAILED' } });
    const expected = [...undoing(many.map(({ name }) => name)), 'undo-last'];
    expect(done.effects.toSorted(), `seed ${seed}`).toEqual(expected.toSorted());
    expect(coordinator.kills).toBeGreaterThan(0);
  }, 90_000);
});

/** Makes a run on a coordinator that dies on the way; asks until it has ended. */
async function survive(
  coordinator: AgentProcess,
  workflow: string,
  input: unknown,
  meanwhile: (runId: string) => Promise<void> = async () => undefined,
) {
  const stop = new AbortController();
  const supervised = coordinator.supervise(stop.signal);
  try {
    const headers = { 'idempotency-key': 'the-run' };
    const runId: string = await patiently(async () => {
      const { status, body } = await http(`${coordinator.url}/workflows/${workflow}`, input, { headers });
      expect(status).toBe(202);
      return body.runId;
    });
    await meanwhile(runId);
    return await patiently(async () => {
      const { body } = await http(`${coordinator.url}/runs/${runId}`);
      expect(body.status).toMatch(/completed|failed|canceled/);
      return body;
    });
  } finally {
    stop.abort();
    await supervised;
  }
}

/** A small repeatable generator of numbers from 0 to 1 (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
