import { expect, it } from 'vitest';
import { getQuestion } from '../inbox/inbox.ts';
import type { Script } from '../runs/testing/scripted-engine.ts';
import { TestMesh } from '../runs/testing/test-mesh.ts';

const approval: Script = async ({ activities, runId, scope }) => {
  const question = {
    questionId: `${runId}-q1`,
    path: '0',
    prompt: 'Order it?',
    actions: ['approve' as const, 'reject' as const],
    approvals: { required: 2 },
    event: 'approval_received',
  };
  await activities.ask({ ...scope(), question });
  const proposal = { event: question.event, payload: { approved: true, by: 'mesh' }, proposalId: `${runId}-p1` };
  await activities.propose({ ...scope(), ...proposal });
};

it("does not take an event raised through Dapr's API for an approval of a person, and says so", async () => {
  await using mesh = await TestMesh.create({ approval });
  await mesh.start();
  const runId = await mesh.run('approval');
  await expect.poll(() => mesh.timelineTypes(runId), { timeout: 20_000 }).toContain('warning');
  expect((await mesh.timeline(runId)).at(-1)?.data).toEqual({
    message: expect.stringContaining('the event approval_received was refused: question'),
  });
  const question = await mesh.coordinator.database.read(() => getQuestion(`${runId}-q1`));
  expect(question).toMatchObject({ status: 'open', approvals: { given: [], missing: 2 } });
});
