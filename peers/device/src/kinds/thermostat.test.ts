import { describe, expect, it } from 'vitest';
import { thermostat } from './thermostat.ts';

const minutes = (count: number): number => count * 60_000;
const heating = { mode: 'heat' as const, targetCelsius: 21, currentCelsius: 16 };

describe('a thermostat', () => {
  it('brings its room to the target, a degree in two minutes, and no further', () => {
    expect(thermostat.evolve(heating, minutes(4), false).currentCelsius).toBe(18);
    expect(thermostat.evolve(heating, minutes(60), false).currentCelsius).toBe(21);
  });

  it('cools, lets the room cool down slowly when it is off, and overshoots when it drifts', () => {
    const cooling = { mode: 'cool' as const, targetCelsius: 10, currentCelsius: 16 };
    expect(thermostat.evolve(cooling, minutes(60), false).currentCelsius).toBe(10);
    expect(thermostat.evolve({ ...heating, mode: 'off', currentCelsius: 20 }, minutes(60), false)).toMatchObject({
      currentCelsius: 18,
    });
    expect(thermostat.evolve(heating, minutes(600), true).currentCelsius).toBe(24);
  });

  it('stays where it is when the clock goes backwards', () => {
    expect(thermostat.evolve(heating, -minutes(10), false)).toEqual(heating);
  });

  it('takes a target while it is off only with a mode, so that every state can be put back', () => {
    const off = { ...heating, mode: 'off' as const };
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => thermostat.apply(off, { targetCelsius: 20 })).toThrow(refused);
    expect(thermostat.apply(off, { mode: 'heat', targetCelsius: 20 })).toMatchObject({ targetCelsius: 20 });
    expect(thermostat.apply(off, { mode: 'off', targetCelsius: 18 })).toMatchObject({ mode: 'off', targetCelsius: 18 });
    expect(thermostat.apply(heating, { targetCelsius: 18 })).toMatchObject({ mode: 'heat', targetCelsius: 18 });
  });
});
