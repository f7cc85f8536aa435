import { describe, expect, it } from 'vitest';
import { testWorkflow } from '../workflow-kit/testing/index.ts';
import { alertResolved, healthAlert } from './health-alert.ts';

const agents = {
  monitorId: 'default',
  kind: 'agent' as const,
  targets: [
    { target: 'agent:writer', problem: 'cannot be reached' },
    { target: 'agent:records', problem: 'cannot be reached' },
  ],
};
const hall = { kind: 'light' as const, deviceId: 'hall', agent: 'device-light', health: 'failed' as const };
const light = {
  monitorId: 'default',
  kind: 'device' as const,
  targets: [{ target: 'device:device-light/hall', problem: 'failed: offline', device: hall }],
};

interface Published {
  type: string;
}

const well = () => ({
  device: {
    deviceId: 'hall',
    name: 'Hall',
    state: { on: true, brightness: 10 },
    health: 'ok' as const,
    faults: [],
    lastSeen: now,
  },
});
const now = '2026-01-01T00:00:00.000Z';

async function alert(input: typeof agents | typeof light) {
  const published: Published[] = [];
  const run = await testWorkflow(healthAlert, {
    input,
    by: 'ann',
    // The device is never found to be unwell by whoever is to repair it.
    agents: { 'get-light': well },
    activities: { 'publish-event': (event: Published) => void published.push(event) },
  });
  return { run, types: () => published.map(({ type }) => type) };
}

const decide = (choice: string, more: object = {}) => ({ action: 'answer' as const, value: { choice, ...more } });

describe('an alert', () => {
  it('is one question, withdrawn from people when all is well again', async () => {
    const { run, types } = await alert(agents);
    expect(run.openQuestions).toMatchObject([
      {
        prompt: expect.stringContaining('2 agents are in trouble\nagent:writer: cannot be reached'),
        assignee: 'operator',
      },
    ]);
    await run.raise(alertResolved, { choice: 'resolved', reason: 'well again' });
    expect(run.output).toEqual({ repairs: 0, reason: 'well again' });
    expect(run.questions).toHaveLength(1);
    expect(types()).toEqual(['AlertRaised', 'AlertResolved']);
  });

  it('that is acknowledged is not asked about again', async () => {
    const { run } = await alert(agents);
    await run.answer(decide('acknowledge'));
    await run.advance('30d');
    expect(run.questions).toHaveLength(1);
    await run.raise(alertResolved, { choice: 'resolved', reason: 'well again' });
    expect(run.output).toEqual({ acknowledgedBy: 'ann', repairs: 0, reason: 'well again' });
  });

  it('that is snoozed is asked about again after that time', async () => {
    const { run } = await alert(agents);
    await run.answer(decide('snooze', { forMs: 7_200_000 }));
    await run.advance('119m');
    expect(run.openQuestions).toHaveLength(0);
    await run.advance('1m');
    expect(run.openQuestions).toHaveLength(1);
    await run.answer(decide('resolved', { reason: 'switched off on purpose' }));
    expect(run.output).toEqual({ acknowledgedBy: 'ann', repairs: 0, reason: 'switched off on purpose' });
  });

  it('has a device repaired, and asks again when that does not help', async () => {
    const { run } = await alert(light);
    await run.answer(decide('repair'));
    expect(run.calls).toMatchObject([{ to: 'get-light', input: { deviceId: 'hall' } }]);
    await run.advance('30m');
    await run.answer(decide('repair'));
    await run.raise(alertResolved, { reason: 'well again' });
    expect(run.output).toEqual({ acknowledgedBy: 'ann', repairs: 2, reason: 'well again' });
    expect(run.calls).toHaveLength(2);
  });

  it('takes no decision it does not offer, and keeps its question', async () => {
    const { run } = await alert(agents);
    const wrong = [decide('repair'), decide('panic'), decide('snooze', { forMs: 1 }), { action: 'approve' as const }];
    for (const answer of wrong) await expect(run.answer(answer)).rejects.toMatchObject({ code: 'ANSWER_INVALID' });
    expect(run.openQuestions).toHaveLength(1);
  });
});
