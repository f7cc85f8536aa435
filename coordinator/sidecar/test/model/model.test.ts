import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EventKind } from '../../src/engine/history-events.ts';
import type { Store } from '../../src/store/store.ts';
import { config } from '../config.ts';
import { steps } from './commands.ts';
import { Model } from './model.ts';
import { System } from './system.ts';

const STEPS_PER_RUN = 100;
const { seed } = config;

/** Runs the engine, perhaps with a planted fault, beside the model; returns how many steps that were. */
async function compare(numSteps: number, sabotage?: (store: Store) => Store): Promise<number> {
  // A planted fault only has to be found; a real one is shrunk to the fewest steps that show it.
  const endOnFailure = sabotage !== undefined;
  let taken = 0;
  const property = fc.asyncProperty(steps(STEPS_PER_RUN), async (commands) => {
    taken += [...commands].length;
    await using system = await System.start(sabotage);
    await fc.asyncModelRun(() => ({ model: new Model(), real: system }), commands);
  });
  let remaining = 1;
  for (let run = 0; remaining > 0; run += 1) {
    await fc.assert(property, { seed: seed + run, numRuns: Math.ceil(numSteps / STEPS_PER_RUN), endOnFailure });
    remaining = numSteps - taken;
  }
  return taken;
}

beforeAll(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterAll(() => {
  vi.useRealTimers();
});

describe(`the engine (seed ${seed})`, () => {
  it(
    `does what the model says, for ${config.steps} steps`,
    { timeout: 60_000 + config.steps * 100 },
    async ({ annotate }) => {
      const taken = await compare(config.steps);
      expect(taken).toBeGreaterThanOrEqual(config.steps);
      await annotate(`${taken} steps`);
    },
  );
});

/** Faults of the kind a change to the engine might bring. The comparison must find each. */
const faults: Record<string, (store: Store) => Store> = {
  'the second event that is raised gets lost': (store) => {
    let raised = 0;
    const add = store.inbox.add.bind(store.inbox);
    store.inbox.add = (run, event) => {
      if (event.kind === EventKind.eventRaised && (raised += 1) === 2) return;
      add(run, event);
    };
    return store;
  },
  'timers of an earlier generation stay': (store) => {
    store.timers.clear = () => {};
    return store;
  },
  'activities under way are forgotten when the process dies': (store) => {
    store.tasks.all = () => [];
    return store;
  },
};

describe('the comparison with the model', () => {
  for (const [fault, sabotage] of Object.entries(faults)) {
    it(`finds that ${fault}`, { timeout: 60_000 }, async () => {
      await expect(compare(3000, sabotage)).rejects.toThrow('Property failed');
    });
  }
});
