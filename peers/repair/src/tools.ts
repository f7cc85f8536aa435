import { DeviceId, ServiceAction } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import { meshTool } from '@daca-mesh/protocol/agents-sdk';
import { z } from 'zod';
import type { Device } from './devices.ts';
import { handbook } from './handbook.ts';

/** What the agent may do: look at the one device its task is about, and service it once somebody approves. */
export const repairTools = (deviceId: string, device: Device) => [
  meshTool({
    name: 'inspect_device',
    description:
      'Tells how the device is: state, health, faults, and the action the service handbook names for the first fault.',
    parameters: z.strictObject({ deviceId: DeviceId }),
    readOnly: true,
    async execute(input, { task }) {
      assertSame(input.deviceId, deviceId);
      const report = await device.inspect(task.signal);
      const [fault] = report.faults;
      const faults = report.faults.map((each) => ({ ...each, handbook: handbook[each.type] }));
      if (!fault) return { ...report, faults };
      const reason = fault.detail === undefined ? fault.type : `${fault.type}: ${fault.detail}`;
      return { ...report, faults, action: handbook[fault.type], reason };
    },
  }),
  meshTool({
    name: 'run_service_action',
    description: 'Services the device: one action, done once, that may interrupt its use.',
    parameters: z.strictObject({
      deviceId: DeviceId,
      action: ServiceAction,
      reason: z.string().min(1).max(500).describe('why, for the person who approves it'),
    }),
    needsApproval: true,
    idempotent: true,
    async execute(input, { task, idempotencyKey }) {
      assertSame(input.deviceId, deviceId);
      return device.service(input.action, idempotencyKey, task.signal);
    },
  }),
];

/** A model, or a person who edits its arguments, must not reach another device by this task. */
function assertSame(named: string, own: string): void {
  if (named !== own) throw new MeshError('FORBIDDEN', `this task is about ${own} only`);
}
