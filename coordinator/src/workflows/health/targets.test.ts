import { describe, expect, it } from 'vitest';
import type { Reading } from './reading.ts';
import { maxTargetsOfKind, observe, type Targets } from './targets.ts';

const settings = {
  limits: { latencyMs: 1_000, errorRate: 0.5 },
  hysteresis: { open: { bad: 3, of: 5 }, close: 2 },
};
const agent = (latencyMs: number, target = 'agent:a'): Reading => ({ target, kind: 'agent', latencyMs });
const bad = (target = 'agent:a'): Reading => ({ target, kind: 'agent', problem: 'cannot be reached' });
const light = (deviceId: string): Reading => ({
  target: `device:lights/${deviceId}`,
  kind: 'device',
  problem: 'failed',
  device: { kind: 'light', deviceId, agent: 'lights', health: 'failed' },
});

const after = (looks: Reading[][], unread: string[] = [], known: Targets = {}) =>
  looks.reduce((targets, readings) => observe(targets, { readings, unread }, settings), known);

const times = (count: number, ...readings: Reading[]) => Array.from({ length: count }, () => readings);

/** `x` bad, `.` good: whether the target is down after these looks; undefined when it is forgotten. */
const isDown = (looks: string) =>
  after(looks.split('').map((look) => [look === 'x' ? bad() : agent(1)]))['agent:a']?.isDown;

describe('a target', () => {
  it.each([
    ['.....', undefined],
    ['xx', false],
    ['xxx', true],
    ['x.x.x', true],
    ['xx...', false],
    ['x....', false],
    ['x.....', undefined],
    ['x..x..x..x', false],
    ['xxx.', true],
    ['xxx.x.', true],
    ['xxx..', undefined],
    ['xxx..xx', false],
  ])('looked at as %s is down: %s', (looks, down) => {
    expect(isDown(looks)).toBe(down);
  });

  it('close to its limit does not flap: it is good again only clearly below', () => {
    const near = [1_010, 990, 1_010, 990, 1_010, 990, 990, 810].map((ms) => [agent(ms)]);
    expect(after(near)['agent:a']).toMatchObject({ isDown: true, problem: 'answers after 810 ms' });
    expect(after([...near, [agent(790)], [agent(790)]])).toEqual({});
  });

  it('that is not seen any more is well, unless nobody could tell', () => {
    const down = after([[light('1')], [light('1')], [light('1')]]);
    expect(after([[], []], [], down)).toEqual({});
    expect(after([[], [], [], []], ['lights'], down)).toEqual(down);
  });

  it('is the same while its agent has no name, since the coordinator started after it went down', () => {
    const origin = 'http://127.0.0.1:4101';
    const at = (reading: Reading): Reading => ({ ...reading, origin });
    const down = after(times(3, at(bad()), at(light('1'))));
    expect(Object.keys(down)).toEqual(['agent:a', 'device:lights/1']);
    const nameless = after(times(5, at(bad(`agent:${origin}`))), [origin], down);
    expect(Object.keys(nameless)).toEqual(Object.keys(down));
    expect(nameless['agent:a']).toMatchObject({ isDown: true });
    expect(nameless['device:lights/1']).toEqual(down['device:lights/1']);
    expect(after(times(2, at(agent(1))), [], nameless)).toEqual({});
  });
});

it('a crowd is remembered up to a bound, the known ones first', () => {
  const known = after([[light('z')]]);
  const crowd = Array.from({ length: 500 }, (_, n) => light(`${n}`));
  const targets = after([[bad(), ...crowd, light('z')]], [], known);
  expect(Object.keys(targets)).toHaveLength(maxTargetsOfKind + 1);
  expect(targets['device:lights/z']?.recent).toBe('xx');
  expect(JSON.stringify(targets).length).toBeLessThan(8_000);
});
