import { DeviceHealth, DeviceId, DeviceKind, type SkillMap } from '@daca-mesh/agent-cards';
import { isMeshError } from '@daca-mesh/protocol';
import { z } from 'zod';
import type { Mesh } from '../workflow-kit/mesh.ts';
import type { Step } from '../workflow-kit/orchestration.ts';
import { defineWorkflow } from '../workflow-kit/workflow.ts';

const dayMs = 24 * 60 * 60 * 1000;

const Input = z
  .strictObject({
    kind: DeviceKind,
    deviceId: DeviceId,
    /** What is said to be wrong with it. */
    fault: z.string().trim().min(1).max(1_000).optional(),
    /** Repairs tried before a person is asked how to go on. */
    maxRepairs: z.int().min(1).max(5).default(2),
    /** How long that person has. */
    deadlineMs: z
      .int()
      .min(1000)
      .max(365 * dayMs)
      .default(dayMs),
  })
  .meta({ examples: [{ kind: 'light', deviceId: 'light-1', fault: 'stuck' }] });
type Request = z.output<typeof Input>;

const Output = z.strictObject({
  status: z.enum(['repaired', 'declined', 'not-needed', 'escalated']),
  kind: DeviceKind,
  deviceId: DeviceId,
  /** As last seen. */
  health: DeviceHealth,
  /** How often the repair agent worked on it. */
  repairs: z.int(),
  /** The repair agent's report, or why there is none. */
  report: z.string().optional(),
  /** What a person said who was asked how to go on. */
  note: z.string().optional(),
});
type Result = Omit<z.infer<typeof Output>, 'kind' | 'deviceId' | 'health' | 'repairs'>;
type Device = SkillMap[`get-${DeviceKind}`]['output']['device'];

/** Looks at a device -> the repair agent, each of whose actions a person approves -> looks again -> a person, where that did not help. */
export const deviceRepair = defineWorkflow({
  name: 'device-repair',
  version: 1,
  title: 'Device repair',
  description:
    'Has the repair agent repair a device that is not well, with a person approving every service action, and asks a person where that does not help.',
  input: Input,
  output: Output,
  async *run(mesh, request) {
    const { kind, deviceId } = request;
    let device = yield* inspect(mesh, request);
    let repairs = 0;
    const end = (result: Result) => ({ kind, deviceId, health: device.health, repairs, ...result });
    if (device.health === 'ok') return end({ status: 'not-needed' });
    for (let left = request.maxRepairs; ;) {
      repairs++;
      left--;
      yield* mesh.progress(`Repair ${repairs} of ${kind} ${deviceId}`);
      const { outcome, report } = yield* repair(mesh, request, device);
      device = yield* inspect(mesh, request);
      if (device.health === 'ok') return yield* publish(mesh, 'DeviceRepaired', end({ status: 'repaired', report }));
      if (outcome === 'declined')
        return yield* publish(mesh, 'DeviceRepairFailed', end({ status: 'declined', report }));
      if (left > 0) continue;
      const { choice, note } = yield* askHowToGoOn(mesh, request, { device, report });
      if (choice === 'retry') {
        left = request.maxRepairs;
        continue;
      }
      device = yield* inspect(mesh, request);
      const status = choice === 'fixed' && device.health === 'ok' ? 'repaired' : 'escalated';
      const type = status === 'repaired' ? 'DeviceRepaired' : 'DeviceRepairFailed';
      return yield* publish(mesh, type, end({ status, report, ...(note === undefined ? {} : { note }) }));
    }
  },
});

async function* inspect(mesh: Mesh, { kind, deviceId }: Request): Step<Device> {
  const { device } = yield* mesh.call({ skill: `get-${kind}` }, { deviceId }, { repeatable: true });
  return device;
}

/** What the repair agent made of it. That it failed is no end: a person is to hear of it. */
async function* repair(
  mesh: Mesh,
  { kind, deviceId, fault }: Request,
  { health, faults }: Device,
): Step<{ outcome: SkillMap['repair-device']['output']['outcome']; report: string }> {
  const types = faults.map(({ type }) => type);
  const problem = fault ?? (types.join(', ') || health);
  try {
    // Whatever it asks on the way, its approvals first of all, goes to the inbox.
    return yield* mesh.call({ skill: 'repair-device' }, { kind, deviceId, problem, health, faults: types });
  } catch (error) {
    if (!isMeshError(error) || error.code === 'CANCELED') throw error;
    return { outcome: 'not-repaired', report: `the repair failed: ${error.message}` };
  }
}

const Choice = z.strictObject({
  choice: z.enum(['retry', 'fixed', 'leave']),
  note: z.string().max(1_000).optional(),
});

async function* askHowToGoOn(
  mesh: Mesh,
  { kind, deviceId, deadlineMs }: Request,
  seen: { device: Device; report: string },
): Step<z.infer<typeof Choice>> {
  const outcome = yield* mesh.ask({
    prompt: `The ${kind} ${deviceId} is still ${seen.device.health} after all repairs. Retry them, say that you fixed it, or leave it as it is?`,
    actions: ['answer'],
    schema: Choice,
    arguments: seen,
    assignee: 'technician',
    deadline: deadlineMs,
    escalation: [{ after: Math.ceil(deadlineMs / 2), assignee: 'facility-manager' }],
  });
  if (outcome.status === 'answered' && 'value' in outcome.answer) return outcome.answer.value;
  return { choice: 'leave', note: 'nobody decided in time' };
}

async function* publish<T extends { kind: DeviceKind; deviceId: string }>(
  mesh: Mesh,
  type: 'DeviceRepaired' | 'DeviceRepairFailed',
  result: T,
): Step<T> {
  const data = { ...result, agent: `device-${result.kind}`, runId: mesh.runId };
  yield* mesh.activity('publish-event', { type, subject: result.deviceId, data });
  return result;
}
