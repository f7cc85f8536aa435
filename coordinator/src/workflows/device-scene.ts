import { DeviceId, DeviceKind } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { BranchResult } from '../workflow-kit/all.ts';
import type { Failure } from '../workflow-kit/contract.ts';
import type { Mesh } from '../workflow-kit/mesh.ts';
import type { Step } from '../workflow-kit/orchestration.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';
import { SceneDevice, setDevice, setDeviceBack } from './scene-device.ts';
import { counted, failedStatement, sceneStatement } from './scene-statement.ts';

/** Whether the scene as a whole fails, and is undone, where this device cannot be set. */
const required = { required: z.boolean().default(true) };
const [sceneLight, sceneThermostat, sceneLock] = SceneDevice.options;

const Input = z
  .strictObject({
    name: z.string().min(1).max(200).optional(),
    devices: z
      .array(
        z.discriminatedUnion('kind', [
          sceneLight.extend(required),
          sceneThermostat.extend(required),
          sceneLock.extend(required),
        ]),
      )
      .min(1)
      .max(5_000)
      .refine(
        (devices) => new Set(devices.map(({ kind, deviceId }) => `${kind} ${deviceId}`)).size === devices.length,
        'a device stands in a scene once',
      ),
    /** So many commands are under way at a time. */
    limit: z.int().min(1).max(50).default(5),
  })
  .meta({
    examples: [
      {
        name: 'Good night',
        devices: [
          { kind: 'light', deviceId: 'light-1', set: { on: false } },
          { kind: 'thermostat', deviceId: 'thermostat-1', set: { mode: 'heat', targetCelsius: 17 }, required: false },
          { kind: 'lock', deviceId: 'lock-1', set: { locked: true } },
        ],
      },
    ],
  });

const which = { kind: DeviceKind, deviceId: DeviceId };
const SetOutcome = z.strictObject({ ...which, status: z.literal('set'), ...setDevice.output.shape });
const FailedOutcome = z.strictObject({
  ...which,
  status: z.literal('failed'),
  reason: z.string(),
  /** The error code of whoever knows the reason: `DEVICE_STUCK`. */
  code: z.string(),
});
const Output = z.strictObject({
  status: z.enum(['all-set', 'partial']),
  /** For people: `all 3 lights on`. */
  statement: z.string(),
  devices: z.array(z.discriminatedUnion('status', [SetOutcome, FailedOutcome])),
});
type SetOutcome = z.infer<typeof SetOutcome>;
type FailedOutcome = z.infer<typeof FailedOutcome>;
type Outcome = SetOutcome | FailedOutcome;

/**
 * Sets many devices at once. Those that are not required may fail; where a required one does, every device that was set
 * is set back, and the run fails: `details.devices` of its error says what became of each of them.
 */
export const deviceScene = defineWorkflow({
  name: 'device-scene',
  version: 1,
  title: 'Device scene',
  description: 'Sets lights, thermostats and locks together: all of them, or, where a required one fails, none.',
  input: Input,
  output: Output,
  uses: [setDevice, setDeviceBack],
  async *run(mesh, { name = 'Scene', devices, limit }) {
    yield* mesh.progress(`${name}: ${counted(devices.length, 'device')}, ${limit} at a time`, 0);
    const items = devices.map(({ required: _isRequired, ...device }) => device);
    const results = yield* mesh.map(items, setDevice, { limit, onFailure: 'collect', progress: 'devices' });
    const outcomes = devices.map((device, index) => toOutcome(device, results[index]));
    const isMissed = devices.some((device, index) => device.required && outcomes[index]?.status === 'failed');
    const { set, failed } = split(outcomes);
    if (isMissed) throw yield* undoScene(mesh, set, failed, limit);
    const status: z.infer<typeof Output>['status'] = failed.length > 0 ? 'partial' : 'all-set';
    return { status, statement: sceneStatement(set, failed), devices: outcomes };
  },
});

function toOutcome(
  { kind, deviceId }: z.infer<typeof SceneDevice>,
  result: BranchResult<z.infer<typeof setDevice.output>> | undefined,
): Outcome {
  if (result?.ok) return { kind, deviceId, status: 'set', ...result.value };
  return { kind, deviceId, status: 'failed', ...reasonOf(result?.failure) };
}

const Reason = z.object({ code: z.string(), message: z.string() });

/** The words of the device's agent where it has said something, else those of the kit. */
function reasonOf(failure: Failure | undefined): { code: string; reason: string } {
  const said = Reason.safeParse(failure?.details?.['failure']).data ?? failure;
  return { code: said?.code ?? 'INTERNAL', reason: said?.message ?? 'it was not worked on' };
}

const split = (outcomes: readonly Outcome[]) => ({
  set: outcomes.filter((outcome) => outcome.status === 'set'),
  failed: outcomes.filter((outcome) => outcome.status === 'failed'),
});

/** Sets back what was set, and makes the error the run ends with. */
async function* undoScene(
  mesh: Mesh,
  set: readonly SetOutcome[],
  failed: readonly FailedOutcome[],
  limit: number,
): Step<MeshError> {
  const results = yield* mesh.map(
    set.map(({ back }) => back),
    setDeviceBack,
    { limit, onFailure: 'collect', progress: 'devices set back' },
  );
  // What can be undone is: the kit has nothing left to do.
  mesh.commit();
  const undone = set.map(({ kind, deviceId }, index) => {
    const result = results[index];
    if (result?.ok) return { kind, deviceId, status: 'set-back' };
    return { kind, deviceId, status: 'not-set-back', ...reasonOf(result?.failure) };
  });
  const backCount = undone.filter(({ status }) => status === 'set-back').length;
  const leftCount = undone.length - backCount;
  const statement = `${failedStatement(failed)}; ${counted(backCount, 'device')} set back`;
  return new MeshError(
    leftCount > 0 ? 'COMPENSATION_FAILED' : 'PEER_FAILED',
    leftCount > 0 ? `${statement}, ${leftCount} not` : statement,
    { details: { devices: [...failed, ...undone] } },
  );
}
