import type { DeviceAgent } from '../device-agent.ts';
import { loadDevice, toDevice } from '../device-store.ts';
import type { Device } from '../kinds/kind.ts';

/** Reads a device. @throws MeshError `NOT_FOUND` */
export async function getDevice<State extends object, Settings>(
  { kind, database }: DeviceAgent<State, Settings>,
  { deviceId }: { deviceId: string },
): Promise<{ device: Device<State> }> {
  const device = await database.read(() => loadDevice(deviceId));
  return { device: toDevice(kind, device, Date.now()) };
}
