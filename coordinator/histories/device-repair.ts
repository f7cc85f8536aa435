import { completed, failed, type Script } from '../src/workflow-kit/testing/scripted-activities.ts';
import { answered, type Case } from './case.ts';

const since = '2026-11-01T00:00:00.000Z';

/** The light as it is seen each time: the last one for ever. */
function lightIs(...healths: ('ok' | 'failed')[]) {
  const left = [...healths];
  return () => {
    const health = (left.length > 1 ? left.shift() : left[0]) ?? 'ok';
    const faults = health === 'ok' ? [] : [{ type: 'stuck', since }];
    const state = { on: true, brightness: 40 };
    return completed({ device: { deviceId: 'light-1', name: 'Light 1', state, health, faults, lastSeen: since } });
  };
}

const repaired = (outcome: 'repaired' | 'not-repaired' | 'declined') => () => ({
  later: completed({ outcome, actions: [], report: `The light is ${outcome}.`, model: 'offline' }),
});

const repair = (agents: NonNullable<Script['agents']>, script: Script = {}): Case => ({
  input: { kind: 'light', deviceId: 'light-1', fault: 'stuck', maxRepairs: 1 },
  script: { ...script, agents: { 'repair-device': repaired('repaired'), ...agents } },
});

const chosen = (choice: string) => ({ onAsk: () => answered({ action: 'answer', value: { choice } }) });

/** The ways a repair can go. */
export const deviceRepairCases: Readonly<Record<string, Case>> = {
  'not-needed': repair({ 'get-light': lightIs('ok') }),
  repaired: repair({ 'get-light': lightIs('failed', 'ok') }),
  declined: repair({ 'get-light': lightIs('failed'), 'repair-device': repaired('declined') }),
  escalated: repair({ 'get-light': lightIs('failed'), 'repair-device': repaired('not-repaired') }, chosen('leave')),
  'fixed-by-hand': repair(
    { 'get-light': lightIs('failed', 'failed', 'ok'), 'repair-device': () => failed('no model', false) },
    chosen('fixed'),
  ),
  unknown: repair({ 'get-light': () => failed('there is no light light-1', false) }),
  canceled: {
    ...repair({ 'get-light': lightIs('failed'), 'repair-device': () => 'open' }),
    steer: (activities, runId) => {
      if (activities.sent.length < 2) return false;
      activities.raise(runId, 'cancel', { reason: 'replaced by a new one' });
      return true;
    },
  },
};
