import { describe, expect, it } from 'vitest';
import { sceneStatement } from './scene-statement.ts';

const light = (on: boolean) => ({ kind: 'light' as const, state: { on, brightness: 100 } });
const lock = (locked: boolean) => ({ kind: 'lock' as const, state: { locked } });
const thermostat = (mode: 'off' | 'heat' | 'cool') => ({
  kind: 'thermostat' as const,
  state: { mode, targetCelsius: 20, currentCelsius: 18 },
});

describe('sceneStatement', () => {
  it.each([
    [[light(true)], '1 light on'],
    [[light(true), light(true), light(true)], 'all 3 lights on'],
    [[light(false), thermostat('off')], 'all 2 devices off'],
    [[lock(true), lock(true)], 'all 2 locks locked'],
    [
      [light(true), light(false), light(true), thermostat('heat'), lock(false)],
      'all 5 devices set: 2 lights on, 1 light off, 1 thermostat heating, 1 lock unlocked',
    ],
  ])('sums up what was set: %#', (set, statement) => {
    expect(sceneStatement(set, [])).toBe(statement);
  });

  it('says which devices failed, and why, and counts those beyond three', () => {
    expect(sceneStatement([light(true)], [{ deviceId: 'lock-1', reason: 'its mechanism is jammed' }])).toBe(
      '1 of 2 devices set (1 light on); 1 device failed (lock-1: its mechanism is jammed)',
    );
    const five = Array.from({ length: 5 }, (_, index) => ({ deviceId: `l${index}`, reason: `l${index}: gone` }));
    expect(sceneStatement([], five)).toBe(
      '0 of 5 devices set; 5 devices failed (l0: gone; l1: gone; l2: gone; 2 more)',
    );
  });
});
