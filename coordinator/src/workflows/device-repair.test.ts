import type { SkillMap } from '@daca-mesh/agent-cards';
import { type Answer, MeshError } from '@daca-mesh/protocol';
import { describe, expect, it } from 'vitest';
import { type AgentQuestion, silence, testWorkflow } from '../workflow-kit/testing/index.ts';
import { deviceRepair } from './device-repair.ts';

interface Published {
  type: string;
  subject: string;
  data: Record<string, unknown>;
}

const input = { kind: 'light' as const, deviceId: 'light-1', deadlineMs: 60_000 };
const since = '2026-01-01T00:00:00.000Z';

type Repair = SkillMap['repair-device']['output'];

const done = (outcome: Repair['outcome'], report: string): Repair => ({
  outcome,
  actions: [],
  report,
  model: 'offline',
});

/** A light whose faults a repair takes away, the first of them each time it helps. */
function setUp({ faults, helps = () => true }: { faults: 'stuck'[]; helps?: (repair: number) => boolean }) {
  const published: Published[] = [];
  let repairs = 0;
  const device = () => ({
    deviceId: 'light-1',
    name: 'Light 1',
    state: { on: true, brightness: 50 },
    health: faults.length === 0 ? ('ok' as const) : ('failed' as const),
    faults: faults.map((type) => ({ type, since })),
    lastSeen: since,
  });
  const world = {
    by: 'tina',
    agents: {
      'get-light': () => ({ device: device() }),
      *'repair-device'(): Generator<AgentQuestion, Repair, Answer> {
        const answer = yield {
          prompt: 'May I?',
          actions: ['approve' as const, 'reject' as const],
          arguments: { tool: 'run_service_action', arguments: { deviceId: 'light-1', action: 'recalibrate' } },
        };
        if (answer.action === 'reject') return done('declined', `refused: ${answer.reason ?? ''}`);
        if (helps(++repairs)) faults.pop();
        return done(faults.length === 0 ? 'repaired' : 'not-repaired', `repair ${repairs}`);
      },
    },
    activities: { 'publish-event': (event: Published) => void published.push(event) },
  };
  return { world, published };
}

const approve = { action: 'approve' } as const;
const approveAll = ({ actions }: { actions: string[] }) => (actions.includes('approve') ? approve : undefined);

describe('device-repair', () => {
  it('leaves a device alone that is well', async () => {
    const { world, published } = setUp({ faults: [] });
    const run = await testWorkflow(deviceRepair, { input, ...world });
    expect(run.output).toEqual({ status: 'not-needed', kind: 'light', deviceId: 'light-1', health: 'ok', repairs: 0 });
    expect(run.calls.map(({ to }) => to)).toEqual(['get-light']);
    expect(published).toEqual([]);
  });

  it('has a person approve what the repair agent wants to do, and looks whether it helped', async () => {
    const { world, published } = setUp({ faults: ['stuck'] });
    const run = await testWorkflow(deviceRepair, { input, ...world });
    expect(run.openQuestions).toMatchObject([{ arguments: { arguments: { action: 'recalibrate' } } }]);
    await run.answer(approve);
    expect(run.output).toMatchObject({ status: 'repaired', health: 'ok', repairs: 1, report: 'repair 1' });
    expect(run.calls.map(({ to }) => to)).toEqual(['get-light', 'repair-device', 'get-light']);
    expect(run.calls[1]?.input).toMatchObject({ problem: 'stuck', health: 'failed', faults: ['stuck'] });
    expect(published).toMatchObject([
      { type: 'DeviceRepaired', subject: 'light-1', data: { kind: 'light', agent: 'device-light', health: 'ok' } },
    ]);
  });

  it('says so when the person declines, and tries nothing else', async () => {
    const { world, published } = setUp({ faults: ['stuck'] });
    const answers = [{ action: 'reject', reason: 'the room is in use' }] as const;
    const run = await testWorkflow(deviceRepair, { input, ...world, answers });
    expect(run.output).toMatchObject({ status: 'declined', health: 'failed', report: 'refused: the room is in use' });
    expect(published).toMatchObject([{ type: 'DeviceRepairFailed', data: { status: 'declined' } }]);
  });

  it('repairs again what is still not well', async () => {
    const { world } = setUp({ faults: ['stuck'], helps: (repair) => repair === 2 });
    const run = await testWorkflow(deviceRepair, { input, ...world, answers: approveAll });
    expect(run.output).toMatchObject({ status: 'repaired', repairs: 2 });
  });

  it.each([
    [
      { choice: 'leave', note: 'a new one is ordered' },
      { status: 'escalated', health: 'failed' },
    ],
    // The device says whether it is well, not the person.
    [
      { choice: 'fixed', note: undefined },
      { status: 'escalated', health: 'failed' },
    ],
  ])('asks a person when the repairs are used up: %j', async (value, output) => {
    const { world, published } = setUp({ faults: ['stuck'], helps: () => false });
    const run = await testWorkflow(deviceRepair, { input: { ...input, maxRepairs: 1 }, ...world, answers: approveAll });
    expect(run.openQuestions).toMatchObject([{ assignee: 'technician', arguments: { device: { health: 'failed' } } }]);
    await run.answer({ action: 'answer', value });
    expect(run.output).toMatchObject(output);
    expect(run.output?.note).toBe(value.note);
    expect(published).toMatchObject([{ type: 'DeviceRepairFailed' }]);
  });

  it('goes on with repairs if that person says so, and believes a person whose device is well', async () => {
    const faults: 'stuck'[] = ['stuck'];
    const { world, published } = setUp({ faults, helps: () => false });
    const run = await testWorkflow(deviceRepair, { input: { ...input, maxRepairs: 1 }, ...world, answers: approveAll });
    await run.answer({ action: 'answer', value: { choice: 'retry' } });
    expect(run.openQuestions).toHaveLength(1);
    faults.pop();
    await run.answer({ action: 'answer', value: { choice: 'fixed' } });
    expect(run.output).toMatchObject({ status: 'repaired', health: 'ok', repairs: 2 });
    expect(published).toMatchObject([{ type: 'DeviceRepaired' }]);
  });

  it('is escalated, not repaired, when nobody says how to go on', async () => {
    const { world } = setUp({ faults: ['stuck'], helps: () => false });
    const run = await testWorkflow(deviceRepair, { input: { ...input, maxRepairs: 1 }, ...world, answers: approveAll });
    await run.advance('1m');
    expect(run.output).toMatchObject({ status: 'escalated', note: 'nobody decided in time' });
  });

  it.each([
    ['fails', new MeshError('PEER_FAILED', 'no model')],
    ['never answers', undefined],
  ])('asks a person when the repair agent %s', async (_, reaction) => {
    const { world } = setUp({ faults: ['stuck'] });
    const agents = {
      ...world.agents,
      'repair-device': (): typeof silence => {
        if (reaction instanceof MeshError) throw reaction;
        return silence;
      },
    };
    const patient = { ...input, maxRepairs: 1, deadlineMs: 3_600_000 };
    const run = await testWorkflow(deviceRepair, { input: patient, ...world, agents });
    await run.advance('10m');
    expect(run.openQuestions).toMatchObject([{ arguments: { report: expect.stringContaining('the repair failed') } }]);
  });

  it('waits a year at most', () => {
    expect(deviceRepair.input.safeParse({ ...input, deadlineMs: 366 * 86_400_000 }).success).toBe(false);
  });

  it('fails for a device that is not there', async () => {
    const { world } = setUp({ faults: [] });
    const agents = {
      ...world.agents,
      'get-light': () => {
        throw new MeshError('NOT_FOUND', 'no light light-1');
      },
    };
    const run = await testWorkflow(deviceRepair, { input, ...world, agents });
    expect(run.failure?.message).toContain('no light light-1');
  });
});
