import { DeviceId, light, lock, type SkillMap, thermostat } from '@daca-mesh/agent-cards';
import { z } from 'zod';
import type { CallOptions } from '../workflow-kit/call-options.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';

/** A device, and the settings it shall have. */
export const SceneDevice = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('light'), deviceId: DeviceId, set: light.changes }),
  z.strictObject({ kind: z.literal('thermostat'), deviceId: DeviceId, set: thermostat.changes }),
  z.strictObject({ kind: z.literal('lock'), deviceId: DeviceId, set: lock.changes }),
]);
export type SceneDevice = z.infer<typeof SceneDevice>;

/** The state of a device of any kind. */
export const DeviceState = z.union([light.state, thermostat.state, lock.state]);
export type DeviceState = z.infer<typeof DeviceState>;

// Settings are absolute: a command that comes twice does no harm.
const options = { timeout: '2m', repeatable: true } as const;

/** Sets a device of a scene. Undone by setting back what it changed, and nothing else. */
export const setDevice = defineWorkflow({
  name: 'device-scene-set',
  version: 1,
  description: 'Sets a device of a scene, and tells how to set it back.',
  input: SceneDevice,
  output: z.strictObject({
    state: DeviceState,
    /** The device as it was: a scene of these sets everything back. */
    back: SceneDevice,
  }),
  async *run(mesh, { kind, deviceId, set }) {
    const skill = `set-${kind}` as const;
    const back = (previous: DeviceState): SceneDevice =>
      SceneDevice.parse({ kind, deviceId, set: settingsIn(previous, Object.keys(set)) });
    const undo = {
      target: { skill },
      input: (done?: Done) => done && { deviceId, ...back(done.previous).set },
      // The skill and the settings are of the same kind.
    } as CallOptions<Done>['undo'] & object;
    const done = yield* mesh.call({ skill }, { deviceId, ...set }, { ...options, retry: { attempts: 3 }, undo });
    return { state: done.device.state, back: back(done.previous) };
  },
});

type Done = SkillMap['set-light' | 'set-thermostat' | 'set-lock']['output'];

const settingsIn = (state: DeviceState, names: readonly string[]): object =>
  Object.fromEntries(Object.entries(state).filter(([name]) => names.includes(name)));

/** Sets a device of a scene back. It tries longer: what cannot be set back stays wrong. */
export const setDeviceBack = defineWorkflow({
  name: 'device-scene-back',
  version: 1,
  description: 'Sets a device back to what it was before a scene.',
  input: SceneDevice,
  output: z.strictObject({}),
  async *run(mesh, { kind, deviceId, set }) {
    yield* mesh.call({ skill: `set-${kind}` }, { deviceId, ...set }, { ...options, retry: { attempts: 10 } });
    return {};
  },
});
