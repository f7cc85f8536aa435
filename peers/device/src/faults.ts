import type { DeviceHealth, FaultType, ServiceAction } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import type { FaultRow } from './device-tables.ts';

/** What a kind of fault means. */
interface FaultMeaning {
  health: Exclude<DeviceHealth, 'ok'>;
  resolvedBy: ServiceAction;
  detail: string;
  /** Why commands are refused; missing where they are not. */
  refusal?: { code: 'DEVICE_LOW_BATTERY' | 'DEVICE_OFFLINE' | 'DEVICE_STUCK'; retryable: boolean };
}

/** Every kind of fault; of those that refuse commands the first one tells why. */
const meanings: Readonly<Record<FaultType, FaultMeaning>> = {
  offline: {
    health: 'failed',
    resolvedBy: 'restart',
    detail: 'it cannot be reached',
    refusal: { code: 'DEVICE_OFFLINE', retryable: true },
  },
  stuck: {
    health: 'failed',
    resolvedBy: 'recalibrate',
    detail: 'its mechanism is jammed',
    refusal: { code: 'DEVICE_STUCK', retryable: false },
  },
  'low-battery': {
    health: 'degraded',
    resolvedBy: 'replace-battery',
    detail: 'its battery can only report',
    refusal: { code: 'DEVICE_LOW_BATTERY', retryable: false },
  },
  drift: { health: 'degraded', resolvedBy: 'update-firmware', detail: 'its sensor drifts' },
  slow: { health: 'degraded', resolvedBy: 'restart', detail: 'it takes its time' },
};

/** What is wrong, in words. */
export const faultDetail = (type: FaultType): string => meanings[type].detail;

/** The kinds of fault that an action resolves. */
export const resolvedBy = (action: ServiceAction): FaultType[] =>
  // The keys of a record over this type.
  (Object.keys(meanings) as FaultType[]).filter((type) => meanings[type].resolvedBy === action);

/** What a device with these faults is worth. */
export function healthOf(faults: readonly Pick<FaultRow, 'type'>[]): DeviceHealth {
  const healths = faults.map(({ type }) => meanings[type].health);
  if (healths.includes('failed')) return 'failed';
  return healths.length > 0 ? 'degraded' : 'ok';
}

/** Why a device with these faults refuses a command; undefined where it does not. */
export function refusalOf(deviceId: string, faults: readonly Pick<FaultRow, 'type'>[]): MeshError | undefined {
  // The keys of a record over this type.
  const types = Object.keys(meanings) as FaultType[];
  const type = types.find((each) => meanings[each].refusal && faults.some((fault) => fault.type === each));
  if (!type) return undefined;
  const { refusal, detail } = meanings[type];
  return new MeshError(refusal?.code ?? 'DEVICE_STUCK', `${deviceId}: ${detail}`, {
    retryable: refusal?.retryable ?? false,
    details: { deviceId, fault: type },
  });
}
