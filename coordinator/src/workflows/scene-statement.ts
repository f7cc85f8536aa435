import type { DeviceKind } from '@daca-mesh/agent-cards';
import type { DeviceState } from './scene-device.ts';

/** A device that does what the scene wants. */
interface SetDevice {
  kind: DeviceKind;
  state: DeviceState;
}

/** A device that does not, and why. */
export interface FailedDevice {
  deviceId: string;
  reason: string;
}

/** So many devices are named, the others are counted. */
const maxNamed = 3;

/** What became of a scene, as one sentence for people: `all 3 lights on`. */
export function sceneStatement(set: readonly SetDevice[], failed: readonly FailedDevice[]): string {
  const details = detailsOf(set);
  const total = set.length + failed.length;
  if (failed.length > 0) {
    const done = details.length > 0 ? ` (${details.join(', ')})` : '';
    return `${set.length} of ${counted(total, 'device')} set${done}; ${failedStatement(failed)}`;
  }
  if (details.length === 1) return `${total === 1 ? '' : 'all '}${details.join('')}`;
  const [word, another] = new Set(set.map(({ state }) => wordOf(state)));
  return `all ${total} devices ${another === undefined ? word : `set: ${details.join(', ')}`}`;
}

/** `2 devices failed: lock-1: its mechanism is jammed; …`. */
export function failedStatement(failed: readonly FailedDevice[]): string {
  const named = failed
    .slice(0, maxNamed)
    .map(({ deviceId, reason }) => (reason.includes(deviceId) ? reason : `${deviceId}: ${reason}`));
  const others = failed.length - named.length;
  return `${counted(failed.length, 'device')} failed (${[...named, ...(others > 0 ? [`${others} more`] : [])].join('; ')})`;
}

/** `1 light`, `3 lights`. */
export const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? '' : 's'}`;

/** `2 lights on`, `1 lock locked`. */
const detailsOf = (set: readonly SetDevice[]): string[] =>
  [...Map.groupBy(set, ({ kind, state }) => `${kind} ${wordOf(state)}`).values()].flatMap((group) => {
    const [first] = group;
    return first ? [`${counted(group.length, first.kind)} ${wordOf(first.state)}`] : [];
  });

const modeWords = { off: 'off', heat: 'heating', cool: 'cooling' } as const;

function wordOf(state: DeviceState): string {
  if ('on' in state) return state.on ? 'on' : 'off';
  if ('mode' in state) return modeWords[state.mode];
  return state.locked ? 'locked' : 'unlocked';
}
