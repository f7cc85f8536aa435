import { AgentClient, taskResult } from '@daca-mesh/protocol/client';
import { expect } from 'vitest';
import type { RunningMesh } from './mesh.ts';

/** Breaks a device of a kind as its agent lets tests do it, or repairs it with `null`. */
export async function setFault(
  mesh: Pick<RunningMesh, 'url'>,
  kind: 'light' | 'thermostat' | 'lock',
  deviceId: string,
  type: string | null,
): Promise<void> {
  const client = await AgentClient.connect(mesh.url(`device-${kind}`));
  const input = { deviceId, fault: type === null ? null : { type } };
  const task = await client.send({ skill: `fault-${kind}`, input, blocking: true });
  const faults = type === null ? [] : expect.arrayContaining([expect.objectContaining({ type })]);
  expect(taskResult(task)).toMatchObject({ device: { deviceId, faults } });
}
