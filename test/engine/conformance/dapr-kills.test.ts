import { setTimeout as sleep } from 'node:timers/promises';
import { RawClient } from '@daca-mesh/sidecar/testing';
import { DaprWorkflowClient } from '@dapr/dapr';
import { describe, expect, it } from 'vitest';
import { daprd, type Engine } from './back-ends.ts';
import { type Effects, LOST, registerWorkload, runWorkload } from './kill-workload.ts';
import { muteSdk } from './suite.ts';
import { startSupervisedWorker } from './supervised-worker.ts';

const KILLS = Number(process.env['MESH_TEST_DAPR_KILLS'] ?? 3);
/** What the SDK executes at a time, and so the most that one kill can make run again. */
const AT_A_TIME = 10;
const programs = ['daprd', 'placement', 'scheduler'] as const;

interface Round {
  readonly outputs: Record<string, string>;
  readonly effects: Effects;
}

type Disturbance = (engine: Engine, effects: Effects, signal: AbortSignal) => Promise<void>;

/** On a Dapr of its own; `disturb` may do to it what it likes until the signal says that all workflows ended. */
async function playRound(disturb: Disturbance): Promise<Round> {
  await using engine = await daprd.start();
  await using cleanup = new AsyncDisposableStack();
  const effects: Effects = new Map();
  cleanup.use(await startSupervisedWorker(engine, (runtime) => registerWorkload(runtime, effects)));
  await engine.untilWorkers(1);
  const client = new DaprWorkflowClient({ daprHost: engine.host, daprPort: String(engine.port) });
  cleanup.defer(() => client.stop());
  const raw = cleanup.use(new RawClient(engine.address));
  const ended = new AbortController();
  const disturbance = disturb(engine, effects, ended.signal);
  const outputs = await runWorkload(client, raw);
  ended.abort();
  await disturbance;
  return { outputs, effects };
}

/** Kills one program after the other, each time further on in the work. */
async function killInTurn(count: { kills: number }, { dapr }: Engine, effects: Effects, signal: AbortSignal) {
  while (count.kills < KILLS) {
    const target = effects.size + 1 + ((count.kills * 5) % 9);
    while (effects.size < target && !signal.aborted) await sleep(5);
    if (signal.aborted) return;
    const program = dapr?.[programs[count.kills % programs.length] ?? 'daprd'];
    await program?.kill();
    await program?.start();
    count.kills += 1;
  }
}

const instanceOf = (effect: string): string => effect.replace(/(-[abc])?\/.*/, '');

describe.skipIf(daprd.skipReason !== undefined)('kill -9 of the programs of Dapr in turn', () => {
  const timeout = 120_000 + KILLS * 60_000;
  it(`changes no outcome, ${KILLS} times`, { timeout }, async ({ annotate }) => {
    muteSdk();
    const undisturbed = await playRound(async () => {});
    expect([...undisturbed.effects.values()]).toEqual(Array(undisturbed.effects.size).fill(1));

    const count = { kills: 0 };
    const lost: string[] = [];
    let repeated = 0;
    while (count.kills < KILLS) {
      const killsBefore = count.kills;
      const { outputs, effects } = await playRound((...world) => killInTurn(count, ...world));
      const lostHere = new Set(Object.keys(outputs).filter((name) => outputs[name]?.startsWith(LOST)));
      const survived = (name: string): boolean => !lostHere.has(name);
      lost.push(...[...lostHere].map((name) => `${name} (${outputs[name]})`));
      expect(only(outputs, survived)).toEqual(only(undisturbed.outputs, survived));
      const keys = (all: Effects) => [...all.keys()].filter((key) => survived(instanceOf(key))).toSorted(byName);
      expect(keys(effects)).toEqual(keys(undisturbed.effects));
      const repeatedHere = [...effects.values()].reduce((sum, times) => sum + times - 1, 0);
      repeated += repeatedHere;
      expect(repeatedHere).toBeLessThanOrEqual((count.kills - killsBefore) * AT_A_TIME);
    }
    await annotate(
      `${count.kills} kills, ${repeated} effects had again, lost to a known defect: ${lost.join('; ') || 'none'}`,
    );
    expect(lost.length).toBeLessThanOrEqual(Math.ceil(KILLS / 4));
  });
});

const byName = (a: string, b: string): number => a.localeCompare(b);

const only = (all: Record<string, string>, isWanted: (name: string) => boolean): Record<string, string> =>
  Object.fromEntries(Object.entries(all).filter(([name]) => isWanted(name)));
