import type { repairDevice } from '@daca-mesh/agent-cards';
import { isMeshError } from '@daca-mesh/protocol';
import { type ChosenModel, runAgentSkill, type ToolUse } from '@daca-mesh/protocol/agents-sdk';
import type { SkillContext } from '@daca-mesh/protocol/server';
import { z } from 'zod';
import { type Device, type DeviceAccess, deviceAt } from '../devices.ts';
import { repairTools } from '../tools.ts';

type Input = z.output<typeof repairDevice.input>;
type Output = z.output<typeof repairDevice.output>;
type Action = Output['actions'][number];

const Report = z.strictObject({ report: z.string().describe('what was wrong and what was done, in a few sentences') });

const instructions = `You repair devices in a building. The user's message is a JSON object: the kind and the id of one device, the
problem as it was reported, and what was seen of it. First look at the device with inspect_device. If it has a fault, use
run_service_action with the action the handbook names for it; a person approves each action, and may refuse it or change
it. A refused action is not tried again. When the device is well, or nothing more can be done, answer with a short report
of what you saw and what was done. Claim nothing that the tools did not tell you.`;

/** What the skill works with. */
export interface DeviceRepairerOptions {
  model: ChosenModel;
  modelTimeoutMs: number;
  devices: DeviceAccess;
}

/** Makes the skill: an agent that looks at a device and has it serviced, each action once it is approved. */
export function createDeviceRepairer({ model, modelTimeoutMs, devices }: DeviceRepairerOptions) {
  return async ({ input, task, resumed, caller }: SkillContext<Input>): Promise<Output> => {
    const device = deviceAt(devices, input.kind, input.deviceId);
    const run = await runAgentSkill({
      agent: { name: 'Repair', instructions, tools: repairTools(input.deviceId, device) },
      model,
      input,
      task,
      ...(resumed && { resumed }),
      outputSchema: Report,
      timeoutMs: modelTimeoutMs,
      approvals: { assignee: 'technician' },
    });
    const actions = run.toolCalls.map((use) => toAction(use, caller));
    return {
      outcome: outcomeOf(actions, await isWell(device, task.signal)),
      actions,
      report: run.output.report,
      model: run.model,
    };
  };
}

/** The device itself says whether it is well, not the model. */
async function isWell(device: Device, signal: AbortSignal): Promise<boolean> {
  try {
    return (await device.inspect(signal)).health === 'ok';
  } catch (error) {
    if (!isMeshError(error) || signal.aborted) throw error;
    return false;
  }
}

function outcomeOf(actions: readonly Action[], isWell: boolean): Output['outcome'] {
  const isRefused = actions.some(({ rejected }) => rejected !== undefined);
  const isServiced = actions.some(({ approvedBy }) => approvedBy !== undefined);
  if (isWell && (isServiced || !isRefused)) return 'repaired';
  return isRefused ? 'declined' : 'not-repaired';
}

const Arguments = z.record(z.string(), z.unknown());

function toAction({ tool, arguments: given, result, decision }: ToolUse, caller: string): Action {
  return {
    tool,
    // A model may send anything; the tool has refused what is no object.
    arguments: Arguments.safeParse(given).data ?? {},
    // A refused call has no result but the refusal itself.
    ...(result !== undefined && decision?.approved !== false && { result }),
    ...(decision?.approved === true && { approvedBy: caller }),
    ...(decision?.approved === false && { rejected: decision.reason ?? 'no reason given' }),
  };
}
