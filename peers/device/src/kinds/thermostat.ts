import { thermostat as schemas } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import type { z } from 'zod';
import { dropUndefined } from './drop-undefined.ts';
import type { Kind } from './kind.ts';

type State = z.infer<typeof schemas.state>;

/** What a room comes to without heating or cooling. */
const ambientCelsius = 16;
const msPerDegree = { off: 30 * 60_000, driven: 2 * 60_000 };
/** A sensor that drifts lets the room get so much warmer than it was told. */
const driftCelsius = 3;

/** Thermostats: the room's temperature moves towards where the mode leads, the further the more time has passed. */
export const thermostat: Kind<State, z.infer<typeof schemas.changes>> = {
  name: 'thermostat',
  schemas,
  initial: { mode: 'off', targetCelsius: 20, currentCelsius: ambientCelsius },
  evolve: (state, elapsedMs, isDrifting) => {
    const goal = goalOf(state) + (isDrifting ? driftCelsius : 0);
    const reach = Math.max(elapsedMs, 0) / (state.mode === 'off' ? msPerDegree.off : msPerDegree.driven);
    const distance = goal - state.currentCelsius;
    const moved = Math.sign(distance) * Math.min(Math.abs(distance), reach);
    return { ...state, currentCelsius: Math.round((state.currentCelsius + moved) * 100) / 100 };
  },
  apply: (state, settings) => {
    if (settings.targetCelsius !== undefined && settings.mode === undefined && state.mode === 'off') {
      throw new MeshError('INVALID_ARGUMENT', 'a thermostat that is off takes no target: set its mode with it');
    }
    return { ...state, ...dropUndefined(settings) };
  },
  touch: (state, chance) => ({ ...state, targetCelsius: Math.min(30, Math.max(5, 18 + Math.floor(chance * 6))) }),
};

function goalOf({ mode, targetCelsius }: State): number {
  switch (mode) {
    case 'off':
      return ambientCelsius;
    case 'heat':
      return Math.max(targetCelsius, ambientCelsius);
    case 'cool':
      return Math.min(targetCelsius, ambientCelsius);
    default:
      return mode satisfies never;
  }
}
