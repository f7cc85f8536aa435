import { completed } from '../src/workflow-kit/testing/scripted-activities.ts';
import type { Reading } from '../src/workflows/health/reading.ts';
import { answered, type Case } from './case.ts';

const down: Reading = { target: 'agent:writer', kind: 'agent', problem: 'cannot be reached' };
const device = { kind: 'light', deviceId: 'hall', agent: 'device-light', health: 'failed' } as const;
const unwell: Reading = { target: 'device:device-light/hall', kind: 'device', problem: 'failed: offline', device };
const slow: Reading = { target: 'agent:analyst', kind: 'agent', latencyMs: 3_000, errorRate: 0.1 };

/** A monitor that is told to look again as often as there are looks. */
function monitor(looks: Reading[][], more: { input?: object; cancel?: boolean } = {}): Case {
  let look = 0;
  let waits = 0;
  return {
    input: { open: { bad: 1, of: 1 }, close: 1, checks: looks.length, ...more.input },
    script: {
      local: (name) => {
        if (name === 'check-health') return { readings: looks[look++] ?? [], unread: [] };
        return name === 'raise-alert' ? { runId: `alert-${look}` } : null;
      },
    },
    steer: (activities, runId) => {
      if (activities.log.filter((line) => line === 'wait check_now').length > waits) {
        waits++;
        if (more.cancel) activities.raise(runId, 'cancel', { reason: 'enough' });
        else activities.receive('check_now', { status: 'received', payload: null });
      }
      return waits >= (more.cancel ? 1 : looks.length - 1);
    },
  };
}

const carried = {
  targets: { 'agent:writer': { kind: 'agent', recent: 'x', isDown: true, problem: 'cannot be reached' } },
  alerts: [{ runId: 'alert-1', kind: 'agent', targets: ['agent:writer'] }],
  lastRaised: { agent: 1_767_225_600_000 },
  intervalMs: 30_000,
  checks: 0,
  raised: 1,
};

export const healthMonitorCases: Readonly<Record<string, Case>> = {
  calm: monitor([[], []]),
  'raised-and-closed': monitor([[down], [down, slow], []]),
  'two-kinds': monitor([[down, unwell]]),
  'a-later-generation': monitor([[down], []], { input: { state: carried } }),
  canceled: monitor([[down], []], { cancel: true }),
};

const alert = {
  monitorId: 'default',
  kind: 'device',
  targets: [{ target: unwell.target, problem: unwell.problem, device }],
};
const well = () =>
  completed({
    device: {
      deviceId: 'hall',
      name: 'Hall',
      state: { on: true, brightness: 10 },
      health: 'ok',
      faults: [],
      lastSeen: '2026-01-01T00:00:00.000Z',
    },
  });
const decided = (value: object) => answered({ action: 'answer', value });
const resolved = { status: 'received', payload: { choice: 'resolved', reason: 'well again' } } as const;

/** An alert that people answer so, and that is over when it waits for that. */
const alertCase = (value: object, outcome: typeof resolved | { status: 'timed-out' } = resolved): Case => {
  let asked = 0;
  return {
    input: alert,
    script: {
      local: () => null,
      agents: { 'get-light': well },
      onAsk: () => decided(asked++ === 0 ? value : { choice: 'resolved' }),
    },
    steer: (activities) => activities.receive('alert_resolved', outcome),
  };
};

export const healthAlertCases: Readonly<Record<string, Case>> = {
  'over-before-anybody-knew': {
    input: alert,
    script: { local: () => null, onAsk: () => decided({ choice: 'resolved', reason: 'well again' }) },
  },
  acknowledged: alertCase({ choice: 'acknowledge' }),
  repaired: alertCase({ choice: 'repair' }),
  'snoozed-and-asked-again': alertCase({ choice: 'snooze', forMs: 60_000 }, { status: 'timed-out' }),
};
