import { expect, describe, it } from 'vitest';
import { killPoints, type KillPoint } from '../../src/kill-point.ts';
import { config } from '../config.ts';
import { temporaryFolder } from '../world.ts';
import { playApart, playTogether, type Executioner, type Played } from './play.ts';
import { randomSequence } from './random.ts';

/** How many worlds may end before a point is reached, until the workload is taken to lack it. */
const WORLDS_PER_POINT = 3;
const MINUTES_PER_KILL = 0.2;

const never: Executioner = { next: () => undefined, killed: () => {} };

interface Tally {
  kills: number;
  effects: number;
  repeated: number;
}

async function expectSame(play: typeof playTogether, executioner: Executioner, undisturbed: Played): Promise<Tally> {
  using folder = temporaryFolder();
  const played = await play(folder.path, executioner);
  expect(played.outcome).toEqual(undisturbed.outcome);
  expect(played.unfinished).toBe(0);
  const distinct = new Set(played.effects);
  expect([...distinct].toSorted()).toEqual(undisturbed.effects.toSorted());
  const repeated = played.effects.length - distinct.size;
  // What died with the engine is at most the SDK's ten at a time. A worker that lives on may have begun more.
  expect(repeated).toBeLessThanOrEqual(play === playTogether ? played.kills * 10 : Infinity);
  return { kills: played.kills, effects: played.effects.length, repeated };
}

describe('kill -9', async () => {
  const { seed, kills } = config;
  const random = randomSequence(seed);
  const total: Tally = { kills: 0, effects: 0, repeated: 0 };
  const add = (tally: Tally): void => {
    total.kills += tally.kills;
    total.effects += tally.effects;
    total.repeated += tally.repeated;
  };
  let undisturbed: Played;

  it('is compared with a run that is not killed', { timeout: 120_000 }, async () => {
    using folder = temporaryFolder();
    undisturbed = await playTogether(folder.path, never);
    expect(Object.keys(Object(undisturbed.outcome))).toHaveLength(18);
    expect(JSON.stringify(undisturbed.outcome)).not.toContain('false');
    expect(new Set(undisturbed.effects).size).toBe(undisturbed.effects.length);
    expect(undisturbed.unfinished).toBe(0);
    await expectSame(playApart, never, undisturbed);
  });

  it(
    `changes nothing at any of ${killPoints.length} named points (seed ${seed})`,
    { timeout: killPoints.length * MINUTES_PER_KILL * 60_000 },
    async () => {
      const missed = new Map<KillPoint, number>(killPoints.map((point) => [point, 0]));
      while (missed.size > 0) {
        const asked = new Set<KillPoint>();
        const executioner: Executioner = {
          next: () => {
            const open = [...missed].filter(([point]) => !asked.has(point));
            // What an earlier world was too far on for comes first in this one.
            const worst = Math.max(...open.map(([, times]) => times));
            const worstOpen = open.filter(([, times]) => times === worst);
            const point = worstOpen[Math.floor(random() * worstOpen.length)]?.[0];
            if (point === undefined) return undefined;
            asked.add(point);
            return { point, n: worst > 0 ? 1 : 1 + Math.floor(random() * 2) };
          },
          killed: (kill) => {
            if ('point' in kill) missed.delete(kill.point);
          },
        };
        add(await expectSame(random() < 0.5 ? playTogether : playApart, executioner, undisturbed));
        for (const point of asked) {
          const times = missed.get(point);
          if (times === undefined) continue;
          expect(times, `worlds without reaching ${point}`).toBeLessThan(WORLDS_PER_POINT);
          missed.set(point, times + 1);
        }
      }
      expect(total.kills).toBeGreaterThanOrEqual(killPoints.length);
    },
  );

  it(
    `changes nothing at ${kills} random moments (seed ${seed})`,
    { timeout: kills * MINUTES_PER_KILL * 60_000 },
    async () => {
      const until = total.kills + kills;
      let killed = total.kills;
      const executioner: Executioner = {
        next: () => {
          if (killed >= until) return undefined;
          return random() < 0.2
            ? { from: 'start', afterMs: random() * 500 }
            : { from: 'running', afterMs: random() * 300 };
        },
        killed: () => {
          killed += 1;
        },
      };
      while (total.kills < until)
        add(await expectSame(random() < 0.5 ? playTogether : playApart, executioner, undisturbed));
      expect(total.kills).toBe(killed);
    },
  );

  it('has told its figures', async ({ annotate }) => {
    expect(total.effects - total.repeated).toBeGreaterThan(0);
    await annotate(
      `seed ${seed}: ${total.kills} kills, ${total.effects} effects, ${total.repeated} repeated, none lost`,
    );
  });
});
