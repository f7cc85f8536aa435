import { z } from 'zod';
import { completed, failed, type Reaction, type Script } from '../src/workflow-kit/testing/scripted-activities.ts';
import type { Case } from './case.ts';

const Command = z.object({ deviceId: z.string(), on: z.boolean().optional(), locked: z.boolean().optional() });

/** A light or a lock as its agent shows it after a command. */
function obey(input: unknown): Reaction {
  const { deviceId, on, locked } = Command.parse(input);
  const state = locked === undefined ? { on, brightness: 100 } : { locked };
  const previous = locked === undefined ? { on: !on, brightness: 100 } : { locked: !locked };
  const lastSeen = '2026-12-01T00:00:00.000Z';
  const device = { deviceId, name: deviceId, state, health: 'ok', faults: [], lastSeen };
  // Every third one takes a while.
  const outcome = completed({ device, previous });
  return deviceId.endsWith('3') ? { later: outcome } : outcome;
}

const lights = (count: number, required = true) =>
  Array.from({ length: count }, (_, index) => ({
    kind: 'light',
    deviceId: `light-${index + 1}`,
    set: { on: true },
    required,
  }));
const lock = { kind: 'lock', deviceId: 'lock-1', set: { locked: true } };

const scene = (devices: object[], agents: Script['agents'] = {}): Case => ({
  input: { name: 'Evening', devices, limit: 2 },
  script: { agents: { 'set-light': ({ input }) => obey(input), 'set-lock': ({ input }) => obey(input), ...agents } },
});
const jammed = () => failed('its mechanism is jammed', false);

/** The ways a scene can go. */
export const deviceSceneCases: Readonly<Record<string, Case>> = {
  'all-set': scene([...lights(3), lock]),
  'more-than-a-history': scene(lights(25)),
  partial: scene([...lights(2), { ...lock, required: false }], { 'set-lock': jammed }),
  undone: scene([...lights(3), lock], { 'set-lock': jammed }),
  'not-undone': scene([...lights(1), lock], {
    'set-light': ({ input }) => (Command.parse(input).on === true ? obey(input) : jammed()),
    'set-lock': jammed,
  }),
  canceled: {
    ...scene(lights(4), {
      'set-light': ({ input }) => (Command.parse(input).deviceId === 'light-4' ? 'open' : obey(input)),
    }),
    steer: (activities, runId) => {
      if (activities.sent.length < 4) return false;
      activities.raise(runId, 'cancel', { reason: 'not needed any more' });
      return true;
    },
  },
};
