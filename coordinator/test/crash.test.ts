import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '@daca-mesh/protocol';
import { type AgentServer, createAgentServer, skill } from '@daca-mesh/protocol/server';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { http } from './coordinator.ts';
import { AgentProcess } from './fixtures/agent-process.ts';
import { workerCard } from './worker-card.ts';

const steps = ['after', 'first', 'last', 'left', 'right'];
const completed = { status: 'completed', output: { decision: 'approve' } };
const refused = { status: 'failed', error: { message: /cannot be done/ } };

const program = new URL('fixtures/saga-coordinator.ts', import.meta.url);

/** Where the coordinator kills itself, the step its agent refuses, how the run ends, and what was done. */
const cases = [
  ['call-sent', undefined, completed, steps],
  ['call-settled', undefined, completed, steps],
  [
    'compensating',
    'last',
    refused,
    [...steps.filter((step) => step !== 'last'), ...steps.map((step) => `undo-${step}`)],
  ],
] as const;

describe('a coordinator that is killed', () => {
  let folder: string;
  let worker: AgentServer;
  let effects: string[];
  let delayMs: number;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'crash-'));
    effects = [];
    delayMs = 30;
    worker = await createAgentServer({
      card: workerCard({ id: 'step', name: 'Step', description: 'Does a step' }),
      skills: {
        step: skill({ input: StepInput, output: z.strictObject({ did: z.string() }) }, async ({ input, task }) => {
          await sleep(delayMs);
          if (input.fail) throw new MeshError('PEER_REJECTED', `${input.name} cannot be done`);
          await task.once('effect', async () => {
            effects.push(input.name);
            return {};
          });
          return { did: input.name };
        }),
      },
      database: { path: join(folder, 'worker.db'), durability: 'normal' },
      logger: pino({ level: 'silent' }),
    });
  });
  afterEach(async () => {
    await worker.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(cases)(
    'at %s finishes its run, does everything once and asks once',
    async (point, failAt, outcome, done) => {
      const data = join(folder, 'coordinator');
      await using coordinator = new AgentProcess(program, {
        MESH_DATA: data,
        MESH_PEERS: worker.url,
        MESH_KILL_AT: point,
      });
      const { run, questions } = await survive(coordinator, failAt);
      expect(existsSync(join(data, `killed-at-${point}`))).toBe(true);
      expect(coordinator).toMatchObject({ starts: 2, kills: 1 });
      expect(questions).toMatchObject([{ status: 'answered' }]);
      expect(run).toMatchObject(outcome);
      expect(effects).toHaveLength(done.length);
      expect(new Set(effects)).toEqual(new Set(done));
    },
    60_000,
  );

  it('at any moment, again and again, finishes its run and does everything once', async () => {
    const seed = Date.now() % 100_000;
    const random = generator(seed);
    delayMs = 150;
    await using coordinator = new AgentProcess(program, {
      MESH_DATA: join(folder, 'coordinator'),
      MESH_PEERS: worker.url,
    });
    const surviving = survive(coordinator);
    const ended = new AbortController();
    void surviving.finally(() => ended.abort()).catch(() => undefined);
    const kills = process.env['CI'] ? 8 : 4;
    for (let kill = 0; kill < kills && !ended.signal.aborted; kill++) {
      await sleep(300 + random() * 900);
      coordinator.kill();
    }
    const { run, questions } = await surviving;
    expect(run, `seed ${seed}`).toMatchObject({ status: 'completed' });
    expect(effects.toSorted(), `seed ${seed}`).toEqual(['after', 'first', 'last', 'left', 'right']);
    expect(questions, `seed ${seed}`).toHaveLength(1);
    expect(coordinator.kills).toBeGreaterThan(0);
  }, 90_000);
});

/** Runs the saga on a coordinator that dies on the way; answers the question, as often as it takes. */
const survive = async (coordinator: AgentProcess, failAt?: string) => {
  const stop = new AbortController();
  const supervised = coordinator.supervise(stop.signal);
  try {
    const start = async () =>
      (
        await http(`${coordinator.url}/workflows/saga`, failAt ? { failAt } : {}, {
          headers: { 'idempotency-key': 'the-run' },
        })
      ).body.runId;
    const runId: string = await patiently(start);
    const question = await patiently(async () => {
      const { questions } = (await http(`${coordinator.url}/questions?runId=${runId}`)).body;
      return questions[0] ?? fail();
    });
    await patiently(async () => {
      const { status, body } = await http(`${coordinator.url}/questions/${question.id}/answer`, {
        action: 'approve',
      });
      expect(status === 200 || body.code === 'QUESTION_CLOSED').toBe(true);
    });
    const run = await patiently(async () => {
      const { body } = await http(`${coordinator.url}/runs/${runId}`);
      expect(body.status).toMatch(/completed|failed|canceled/);
      return body;
    });
    const { questions } = (await http(`${coordinator.url}/questions?runId=${runId}`)).body;
    return { run, questions };
  } finally {
    stop.abort();
    await supervised;
  }
};

const StepInput = z.looseObject({ name: z.string(), fail: z.boolean().optional() });

/** Asks a coordinator that may be away. */
const patiently = <T>(ask: () => Promise<T>): Promise<T> => vi.waitFor(ask, { timeout: 50_000, interval: 50 });

const fail = (): never => {
  throw new Error('not yet');
};

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
