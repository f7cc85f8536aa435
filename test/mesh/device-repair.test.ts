import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, ended, listRuns, nextQuestion, questionOf, startRun } from './api.ts';
import { appliedCommands } from './device-effects.ts';
import { setFault } from './device-faults.ts';
import { isDaprWanted, startOnDapr } from './dapr.ts';
import { eventually, Mesh } from './mesh.ts';
import type { Stores } from './read-store.ts';

/** Repairs of devices: what starts them, who approves, and that a service action happens once, whatever dies. */

let mesh: Mesh;
const base = () => mesh.coordinator;
beforeAll(async () => {
  mesh = await Mesh.start({
    peers: ['device-light', 'repair'],
    // Each dies once: the one when the answer is in, the other when the device was serviced and nobody knows yet.
    env: { coordinator: { MESH_KILL_AT: 'answer-accepted' }, repair: { MESH_KILL_AT: 'effect-done' } },
  });
}, 60_000);
afterAll(() => mesh[Symbol.asyncDispose]());

/** The service actions that were done to a light. */
const serviced = (of: Stores, deviceId: string): unknown[] =>
  appliedCommands(of, 'device-light')
    .filter((each) => each.device_id === deviceId && each.skill === 'service-light')
    .map(({ command }): unknown => JSON.parse(command));

/** The run that the light's own event started. */
async function repairOf(at: () => string, deviceId: string): Promise<string> {
  const runs = await eventually(
    async () => (await listRuns(at, 'device-repair')).filter(({ input }) => input?.['deviceId'] === deviceId),
    (found) => found.length > 0,
    { what: `a repair of ${deviceId}` },
  );
  expect(runs).toHaveLength(1);
  return runs[0]?.runId ?? '';
}

it('an event starts one repair, which services the device once, whoever is killed', { timeout: 120_000 }, async () => {
  await setFault(mesh, 'light', 'light-1', 'stuck');
  const runId = await repairOf(base, 'light-1');
  const question = await questionOf(base, runId);
  expect(question).toMatchObject({
    actions: ['approve', 'edit', 'reject'],
    assignee: 'technician',
    path: ['coordinator', 'repair'],
    arguments: {
      tool: 'run_service_action',
      arguments: { deviceId: 'light-1', action: 'recalibrate', reason: 'stuck: its mechanism is jammed' },
    },
  });
  // Another event about it, while it is being repaired, starts nothing.
  await setFault(mesh, 'light', 'light-1', 'slow');
  expect(serviced(mesh, 'light-1')).toEqual([]);

  await mesh.kill('repair');
  await answer(base, question.id, { action: 'approve', by: 'tina' });
  // Its other fault is the next one.
  const next = await nextQuestion(base, question);
  expect(next).toMatchObject({ arguments: { arguments: { action: 'restart' } } });
  await answer(base, next.id, { action: 'approve', by: 'tina' });
  const run = await ended(base, runId);
  expect(run).toMatchObject({ status: 'completed', output: { status: 'repaired', health: 'ok', repairs: 2 } });
  expect(mesh.kills('coordinator'), 'the kill point of the coordinator was hit').toBe(1);
  expect(mesh.kills('repair'), 'the repair agent was killed, and its kill point hit').toBe(2);
  expect(serviced(mesh, 'light-1')).toEqual([{ action: 'recalibrate' }, { action: 'restart' }]);
  expect(await repairOf(base, 'light-1')).toBe(runId);
});

it('a person may decline: nothing is touched', { timeout: 60_000 }, async () => {
  await setFault(mesh, 'light', 'light-2', 'drift');
  const runId = await repairOf(base, 'light-2');
  const question = await questionOf(base, runId);
  await answer(base, question.id, { action: 'reject', reason: 'guests sleep there', by: 'tina' });
  expect(await ended(base, runId)).toMatchObject({ output: { status: 'declined', health: 'degraded' } });
  expect(serviced(mesh, 'light-2')).toEqual([]);
});

it('a person may change the action, and is asked when nothing helped', { timeout: 60_000 }, async () => {
  await setFault(mesh, 'light', 'light-3', 'low-battery');
  const runId = await repairOf(base, 'light-3');
  const edited = {
    action: 'edit',
    value: { deviceId: 'light-3', action: 'restart', reason: 'it may help' },
    by: 'tina',
  };
  let question = await questionOf(base, runId);
  await answer(base, question.id, edited);
  question = await nextQuestion(base, question);
  await answer(base, question.id, edited);
  question = await nextQuestion(base, question);
  expect(question).toMatchObject({ actions: ['answer'], assignee: 'technician' });
  await answer(base, question.id, { action: 'answer', value: { choice: 'leave', note: 'no batteries' } });
  const output = { status: 'escalated', health: 'degraded', repairs: 2, note: 'no batteries' };
  expect(await ended(base, runId)).toMatchObject({ output });
  expect(serviced(mesh, 'light-3')).toEqual([{ action: 'restart' }, { action: 'restart' }]);
});

it('a device that is well needs none', { timeout: 60_000 }, async () => {
  const run = await startRun(base, 'device-repair', { kind: 'light', deviceId: 'light-4' }, randomUUID());
  expect(await ended(base, run.runId)).toMatchObject({ output: { status: 'not-needed' } });
});

describe.runIf(isDaprWanted())('a repair on real Dapr', () => {
  it('waits for its approval while the agents are killed, and happens once', { timeout: 240_000 }, async () => {
    await using mesh = await startOnDapr(['device-light', 'repair']);
    const base = () => mesh.coordinator;
    await setFault(mesh, 'light', 'light-1', 'stuck');
    const runId = await repairOf(base, 'light-1');
    const question = await questionOf(base, runId, 120_000);
    await mesh.kill('repair');
    await mesh.kill('coordinator');
    await answer(base, question.id, { action: 'approve', by: 'tina' });
    const run = await ended(base, runId, 120_000);
    expect(run).toMatchObject({ status: 'completed', output: { status: 'repaired', health: 'ok', repairs: 1 } });
    expect(serviced(mesh, 'light-1')).toEqual([{ action: 'recalibrate' }]);
  });
});
