import { z } from 'zod';

/** The kinds of devices; each kind has an agent and skills of its own. */
export const DeviceKind = z.enum(['light', 'thermostat', 'lock']);
export type DeviceKind = z.infer<typeof DeviceKind>;

/** The id of a device, unique within its kind. */
export const DeviceId = z.string().min(1).max(200);

/** What can be wrong with a device. */
export const FaultType = z.enum(['offline', 'stuck', 'drift', 'low-battery', 'slow']);
export type FaultType = z.infer<typeof FaultType>;

/** `degraded` devices still do something; `failed` ones do not. */
export const DeviceHealth = z.enum(['ok', 'degraded', 'failed']);
export type DeviceHealth = z.infer<typeof DeviceHealth>;

/** What a technician can do to a device. */
export const ServiceAction = z.enum(['restart', 'recalibrate', 'update-firmware', 'replace-battery']);
export type ServiceAction = z.infer<typeof ServiceAction>;

const Fault = z.strictObject({ type: FaultType, since: z.iso.datetime(), detail: z.string().optional() });

/** A fault as it is injected. Those that refuse commands may clear themselves after so many refused ones. */
const InjectedFault = z.discriminatedUnion('type', [
  z.strictObject({
    type: FaultType.extract(['offline', 'stuck', 'low-battery']),
    commands: z.int().min(1).max(1_000_000).optional(),
  }),
  z.strictObject({ type: z.literal('slow'), delayMs: z.int().min(0).max(600_000).default(1_000) }),
  z.strictObject({ type: z.literal('drift') }),
]);
export type InjectedFault = z.infer<typeof InjectedFault>;

/** The most devices a list shows at once. */
const maxListed = 1_000;

// The number of properties says the same in the JSON Schemas, which know no refinements.
const noSetting = 'at least one setting to change';
const hasSetting = (changes: object): boolean =>
  Object.entries(changes).some(([field, value]) => field !== 'deviceId' && value !== undefined);

/**
 * The schemas of the five skills of a kind of device.
 * @param state all of its state
 * @param settings the part of it that can be commanded
 */
function deviceSkills<S extends z.ZodRawShape, C extends z.ZodRawShape>(
  state: z.ZodObject<S, z.core.$strict>,
  settings: z.ZodObject<C, z.core.$strict>,
) {
  const device = z.strictObject({
    deviceId: DeviceId,
    name: z.string(),
    room: z.string().optional(),
    state,
    health: DeviceHealth,
    faults: z.array(Fault),
    /** When it could last be reached: now, unless it is offline. */
    lastSeen: z.iso.datetime(),
  });
  return {
    state,
    /** At least one setting. */
    changes: settings.partial().refine(hasSetting, noSetting).meta({ minProperties: 1 }),
    device,
    set: {
      input: z
        .strictObject({ deviceId: DeviceId, ...settings.partial().shape })
        .refine(hasSetting, noSetting)
        .meta({ minProperties: 2 }),
      /** `previous` is enough to set it back. */
      output: z.strictObject({ device, previous: state }),
    },
    get: { input: z.strictObject({ deviceId: DeviceId }), output: z.strictObject({ device }) },
    list: {
      input: z.strictObject({
        room: z.string().min(1).max(200).optional(),
        health: DeviceHealth.optional(),
        limit: z.int().min(1).max(maxListed).default(100),
        cursor: z.string().min(1).max(400).optional(),
      }),
      output: z.strictObject({ devices: z.array(device), nextCursor: z.string().optional() }),
    },
    service: {
      input: z.strictObject({ deviceId: DeviceId, action: ServiceAction }),
      output: z.strictObject({ device, resolved: z.array(FaultType), note: z.string() }),
    },
    fault: {
      input: z.strictObject({
        deviceId: DeviceId,
        fault: InjectedFault.nullable(),
        announce: z
          .boolean()
          .optional()
          .describe('false: a fault that nobody has noticed yet, so that no event tells of it'),
      }),
      output: z.strictObject({ device }),
    },
  };
}

const lightSettings = z.strictObject({ on: z.boolean(), brightness: z.int().min(0).max(100) });
const thermostatSettings = z.strictObject({
  mode: z.enum(['off', 'heat', 'cool']),
  targetCelsius: z.number().min(5).max(30),
});
const lockSettings = z.strictObject({ locked: z.boolean() });

/** Lights: on or off, and how bright. */
export const light = deviceSkills(lightSettings, lightSettings);

/** Thermostats: the room's temperature moves towards the target unless the mode is `off`. */
export const thermostat = deviceSkills(thermostatSettings.extend({ currentCelsius: z.number() }), thermostatSettings);

/** Door locks. */
export const lock = deviceSkills(lockSettings, lockSettings);
