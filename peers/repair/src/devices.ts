import {
  type DeviceHealth,
  type DeviceKind,
  type FaultType,
  type ServiceAction,
  skillSchemas,
} from '@daca-mesh/agent-cards';
import { isMeshError, isTerminal, MeshError } from '@daca-mesh/protocol';
import { type AgentClient, taskError, taskResult } from '@daca-mesh/protocol/client';
import type { z } from 'zod';
import type { FindDeviceAgent } from './device-agents.ts';

/** A device as a technician sees it. */
interface DeviceReport {
  deviceId: string;
  name: string;
  room?: string | undefined;
  state: unknown;
  health: DeviceHealth;
  faults: { type: FaultType; since: string; detail?: string | undefined }[];
}

/** One device, behind whatever agent has it. */
export interface Device {
  inspect(signal: AbortSignal): Promise<DeviceReport>;
  /** Has it serviced; once per key. @throws MeshError `OUTCOME_UNKNOWN` when nobody can tell whether it was. */
  service(
    action: ServiceAction,
    key: string,
    signal: AbortSignal,
  ): Promise<{ note: string; resolved: FaultType[] } & DeviceReport>;
}

/** How a device is reached: whose agent, and how long a call of it may take. */
export interface DeviceAccess {
  find: FindDeviceAgent;
  timeoutMs: number;
}

/** The device of a kind with an id. */
export const deviceAt = ({ find, timeoutMs }: DeviceAccess, kind: DeviceKind, deviceId: string): Device => ({
  async inspect(signal) {
    const { input, output } = skillSchemas[`get-${kind}`];
    const client = await find(kind, signal);
    const task = { skill: `get-${kind}`, input: input.parse({ deviceId }), timeoutMs, signal };
    return toReport((await callDevice(client, task, output)).device);
  },
  async service(action, key, signal) {
    const { input, output } = skillSchemas[`service-${kind}`];
    const client = await find(kind, signal);
    const task = {
      skill: `service-${kind}`,
      input: input.parse({ deviceId, action }),
      messageId: key,
      effectKey: key,
      timeoutMs,
      signal,
    };
    const { device, note, resolved } = await orUnknown(callDevice(client, task, output));
    return { note, resolved, ...toReport(device) };
  },
});

const toReport = ({ deviceId, name, room, state, health, faults }: DeviceReport): DeviceReport => ({
  deviceId,
  name,
  ...(room === undefined ? {} : { room }),
  state,
  health,
  faults,
});

type Call = Parameters<AgentClient['send']>[0];

async function callDevice<S extends z.ZodType>(client: AgentClient, call: Call, output: S): Promise<z.output<S>> {
  const task = await client.send({ ...call, blocking: true });
  const error = taskError(task);
  if (error) throw error;
  if (!task.status || !isTerminal(task.status.state)) {
    throw new MeshError('DEADLINE_EXCEEDED', `${client.card.name} did not end ${call.skill} in time`);
  }
  const parsed = output.safeParse(taskResult(task));
  if (parsed.success) return parsed.data;
  throw new MeshError('INVALID_OUTPUT', `${client.card.name} answered ${call.skill} in an unexpected form`);
}

/** Failures that leave open whether the request arrived: of all its attempts, only the last one is known. */
const withoutAnswer: ReadonlySet<string> = new Set([
  'DEADLINE_EXCEEDED',
  'INVALID_OUTPUT',
  'PEER_UNREACHABLE',
  'UNAVAILABLE',
]);

async function orUnknown<T>(effect: Promise<T>): Promise<T> {
  try {
    return await effect;
  } catch (cause) {
    if (!isMeshError(cause) || !withoutAnswer.has(cause.code)) throw cause;
    throw new MeshError('OUTCOME_UNKNOWN', 'whether the device was serviced is not known', { cause });
  }
}
