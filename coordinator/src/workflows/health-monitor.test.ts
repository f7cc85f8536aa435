import { describe, expect, it } from 'vitest';
import { testWorkflow } from '../workflow-kit/testing/index.ts';
import { healthMonitor } from './health-monitor.ts';
import type { Reading } from './health/reading.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const week = 7 * day;

/** What is wrong at a time, in milliseconds since the start. */
type World = (elapsedMs: number) => Reading[];

interface Raised {
  atMs: number;
  kind: string;
  targets: { target: string; problem: string }[];
}

const down = (name: string): Reading => ({ target: `agent:${name}`, kind: 'agent', problem: 'cannot be reached' });

/** Runs the monitor for a while in a world, with its own activities scripted. */
async function watch(world: World, forMs: number, settings: Record<string, unknown> = {}) {
  let startedAt: number | undefined;
  let now = 0;
  const checks: number[] = [];
  const raised: Raised[] = [];
  const ended: string[] = [];
  const closed: { atMs: number; runId: string }[] = [];
  const run = await testWorkflow(healthMonitor, {
    input: settings,
    activities: {
      'begin-monitor': () => null,
      'check-health': ({ at }: { at: number }) => {
        now = at - (startedAt ??= at);
        checks.push(now);
        return { readings: world(now), unread: [] };
      },
      'raise-alert': ({ kind, targets }: Omit<Raised, 'atMs'>) => {
        raised.push({ atMs: now, kind, targets });
        return { runId: `alert-${raised.length}` };
      },
      'close-alert': ({ runId }: { runId: string }) => {
        closed.push({ atMs: now, runId });
        return null;
      },
      'close-alerts': ({ reason }: { reason: string }) => {
        ended.push(reason);
        return null;
      },
    },
  });
  await run.advance(forMs);
  return { run, checks, raised, closed, ended };
}

const between = (from: number, to: number) => (atMs: number) => atMs >= from && atMs < to;
const flapping = between(day, day + 5 * hour);
const outage = between(2 * day, 2 * day + 3 * hour);
const decline = between(3 * day, 3 * day + 12 * hour);
const lightFails = between(5 * day, 5 * day + 20 * minute);
const lockFails = between(5 * day + 10 * minute, 5 * day + 2 * hour);

const device = (deviceId: string): Reading => ({
  target: `device:device-light/${deviceId}`,
  kind: 'device',
  problem: 'failed: offline',
  device: { kind: 'light', deviceId, agent: 'device-light', health: 'failed' },
});

/** A little more each hour, and never the same twice. */
const slower = (atMs: number): Reading => {
  const noise = (Math.trunc(atMs / minute) % 7) * 60;
  return { target: 'agent:analyst', kind: 'agent', latencyMs: 1_200 + ((atMs - 3 * day) / (20 * minute)) * 40 + noise };
};

const troubledWeek: World = (atMs) => [
  ...(flapping(atMs) && Math.trunc(atMs / (3 * minute)) % 3 === 0 ? [down('formatter')] : []),
  ...(outage(atMs) ? [down('writer'), down('records'), down('repair')] : []),
  ...(decline(atMs) ? [slower(atMs)] : []),
  ...(lightFails(atMs) ? [device('hall')] : []),
  ...(lockFails(atMs) ? [device('attic')] : []),
];

describe('a week of the health monitor', () => {
  it('in which all is well: no alert, rare checks, nothing grows', { timeout: 60_000 }, async () => {
    const { run, checks, raised } = await watch(() => [], week);
    expect(raised).toEqual([]);
    const rarest = week / (10 * minute);
    expect(checks.length).toBeGreaterThan(rarest - 5);
    expect(checks.length).toBeLessThan(rarest + 20);
    expect(run.status).toBe('waiting');
    expect(run.generations.length).toBe(Math.trunc(checks.length / 10));
    expect(Math.max(...run.generations.map(({ events }) => events))).toBeLessThan(150);
    expect(Math.max(...run.generations.map(({ inputBytes }) => inputBytes))).toBeLessThan(1_000);
  });

  it(
    'with flapping, an outage, a slow decline, and two failures in a row: one alert for each of them',
    { timeout: 60_000 },
    async () => {
      const { run, raised, closed } = await watch(troubledWeek, week, { minIntervalMs: 3 * minute });
      expect(raised.map(({ targets }) => targets.map(({ target }) => target))).toEqual([
        // Flapping is none; what fails together is one.
        ['agent:writer', 'agent:records', 'agent:repair'],
        ['agent:analyst'],
        ['device:device-light/hall'],
        // Failed within the quiet period of the one before, and still did after it.
        ['device:device-light/attic'],
      ]);
      expect(closed.map(({ runId }) => runId)).toEqual(['alert-1', 'alert-2', 'alert-3', 'alert-4']);
      const [first, second, third, fourth] = raised;
      // At worst the longest pause, then three bad looks.
      expect(first?.atMs).toBeLessThan(2 * day + 18 * minute);
      expect(closed[0]?.atMs).toBeLessThan(2 * day + 3 * hour + 10 * minute);
      expect(second?.targets).toMatchObject([{ problem: expect.stringMatching(/answers after \d{4} ms/u) }]);
      expect((fourth?.atMs ?? 0) - (third?.atMs ?? 0)).toBeGreaterThanOrEqual(30 * minute);
      expect(Math.max(...run.generations.map(({ events }) => events))).toBeLessThan(150);
      expect(Math.max(...run.generations.map(({ inputBytes }) => inputBytes))).toBeLessThan(2_000);
      // Nothing is left of it.
      expect(run.generations.at(-1)?.inputBytes).toBeLessThan(1_000);
    },
  );
});

describe('the health monitor', () => {
  it('checks at once when it is told to, and ends after its last check', async () => {
    const { run, checks } = await watch(() => [], 0, { checks: 3 });
    await run.raise('check_now');
    await run.advance('60s');
    expect(checks).toEqual([0, 0]);
    await run.advance('10s');
    expect(checks).toEqual([0, 0, 67_500]);
    expect([run.status, run.output]).toEqual(['completed', { checks: 3, raised: 0 }]);
  });

  it('closes its alerts when it is canceled', async () => {
    const { run, ended } = await watch(() => [down('writer')], 5 * minute);
    await run.cancel('enough');
    expect([run.status, run.undone]).toEqual(['canceled', ['its open alerts']]);
    expect(ended).toEqual(['the monitor has ended']);
  });

  it.each([
    { minIntervalMs: 2_000, maxIntervalMs: 1_000 },
    { open: { bad: 4, of: 3 } },
    { monitorId: 'No Name' },
    { errorRate: 2 },
    { checks: 0 },
    { surprise: true },
  ])('refuses %j', (input) => {
    expect(healthMonitor.input.safeParse(input).success).toBe(false);
  });
});
