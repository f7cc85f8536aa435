import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { all, type Database } from '@daca-mesh/protocol/server';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openCoordinatorDatabase } from '../store/open.ts';
import { query } from '../store/schema.ts';
import { createSignals, type Signals } from '../store/signals.ts';
import { clearDeadline, setDeadline } from './deadlines.ts';
import { createDeadlineScheduler, type DeadlineScheduler } from './scheduler.ts';

describe('the scheduler of deadlines', () => {
  let folder: string;
  let database: Database;
  let signals: Signals;
  let fired: string[];
  let failOnce: boolean;
  let scheduler: DeadlineScheduler;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deadlines-'));
    database = openCoordinatorDatabase({ path: join(folder, 'coordinator.db'), durability: 'normal' });
    signals = createSignals();
    fired = [];
    failOnce = false;
    scheduler = createDeadlineScheduler({
      database,
      signals,
      logger: pino({ level: 'silent' }),
      handlers: {
        *wait({ ref }) {
          if (failOnce) {
            failOnce = false;
            throw new Error('not now');
          }
          fired.push(ref);
          yield* clearDeadline('wait', `${ref}-other`);
        },
      },
    });
  });
  afterEach(async () => {
    await scheduler.close();
    await database.close();
    await rm(folder, { recursive: true, force: true });
  });

  const set = (ref: string, inMs: number) =>
    database.write(() => setDeadline(signals, { kind: 'wait', ref, run_id: 'run', due_at: Date.now() + inMs }));
  const rows = () => database.read(() => all(query.selectFrom('deadlines').select('ref').compile()));

  it('fires in order, what was due before the start included', async () => {
    await set('overdue', -60_000);
    await set('second', 1_500);
    scheduler.start();
    await set('first', 30);
    await vi.waitFor(() => expect(fired).toEqual(['overdue', 'first', 'second']), 10_000);
    expect(await rows()).toEqual([]);
  });

  it('does not fire what was moved or cleared', async () => {
    scheduler.start();
    await set('moved', 1_000);
    await set('cleared', 1_000);
    await set('moved', 1_500);
    await database.write(() => clearDeadline('wait', 'cleared'));
    await set('mark', 80);
    await vi.waitFor(() => expect(fired).toEqual(['mark', 'moved']), 10_000);
  });

  it('waits for what is further off than a timer reaches', async () => {
    scheduler.start();
    await set('in a year', 365 * 24 * 60 * 60 * 1_000);
    await set('soon', 20);
    await vi.waitFor(() => expect(fired).toEqual(['soon']));
    expect(await rows()).toEqual([{ ref: 'in a year' }]);
  });

  it('notices a step of the clock within a minute: one that was set, or a machine that slept', async () => {
    await set('tomorrow', 24 * 60 * 60 * 1_000);
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    try {
      scheduler.start();
      await vi.waitFor(() => expect(vi.getTimerCount()).toBeGreaterThan(0));
      vi.setSystemTime(Date.now() + 24 * 60 * 60 * 1_000);
      await vi.advanceTimersByTimeAsync(60_000);
      await vi.waitFor(() => expect(fired).toEqual(['tomorrow']));
    } finally {
      vi.useRealTimers();
    }
  });

  it('tries again when a handler failed', async () => {
    failOnce = true;
    scheduler.start();
    await set('stubborn', 0);
    await vi.waitFor(() => expect(fired).toEqual(['stubborn']), 5_000);
  });

  it('fires a great many', async () => {
    await database.write(function* () {
      for (let n = 0; n < 1_000; n++)
        yield* setDeadline(signals, { kind: 'wait', ref: `${n}`, run_id: 'run', due_at: Date.now() });
    });
    scheduler.start();
    await vi.waitFor(() => expect(fired).toHaveLength(1_000), 5_000);
    expect(new Set(fired).size).toBe(1_000);
  });
});
