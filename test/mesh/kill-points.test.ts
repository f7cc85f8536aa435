import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  answer,
  calmText,
  ended,
  type Entry,
  post,
  questionOf,
  riskyText,
  startRun,
  timeline,
  untilCalled,
} from './api.ts';
import { auditEntries, posts, statusChanges } from './effects.ts';
import { eventually, Mesh } from './mesh.ts';

/**
 * The coordinator dies by SIGKILL at a named point, once, and is started again. Every run must end as it would have,
 * with every effect once and the question asked once. One mesh serves all of it; what dies is started again for each test.
 */

const peers = ['moderator-toxicity', 'moderator-spam', 'moderator-violence', 'records'];

const count = (entries: Entry[], type: string): number => entries.filter((entry) => entry.type === type).length;

function expectOnce(mesh: Mesh, postId: string): void {
  expect(posts(mesh, postId)).toHaveLength(1);
  expect(auditEntries(mesh, postId)).toHaveLength(1);
  expect(statusChanges(mesh, postId)).toHaveLength(1);
}

let mesh: Mesh;
beforeAll(async () => {
  mesh = await Mesh.start({ peers });
}, 60_000);
afterAll(() => mesh[Symbol.asyncDispose]());
const base = () => mesh.coordinator;

/** How often a process was killed by what happens meanwhile. */
async function killsWhile(name: string, happens: () => Promise<void>): Promise<number> {
  const before = mesh.kills(name);
  await happens();
  return mesh.kills(name) - before;
}

describe('a coordinator killed at a named point', () => {
  it.each([
    'run-started',
    'call-row-written',
    'call-sent',
    'fan-out',
    'question-open',
    'answer-accepted',
    'chain',
    'before-finish',
  ])('finishes the run when killed at %s', { timeout: 120_000 }, async (point) => {
    await mesh.restart('coordinator', { MESH_KILL_AT: point });
    const postId = `post-${point}`;

    const kills = await killsWhile('coordinator', async () => {
      const run = await startRun(base, 'content-moderation', { text: riskyText, postId }, randomUUID());
      const question = await questionOf(base, run.runId);
      await answer(base, question.id, { action: 'approve', by: 'ada' });
      const end = await ended(base, run.runId);
      expect(end).toMatchObject({ status: 'completed', output: { decision: 'approved', decidedBy: 'ada' } });
      expect(count(await timeline(base, run.runId), 'question-asked')).toBe(1);
    });
    expect(kills, `kill point ${point} was hit`).toBe(1);
    expectOnce(mesh, postId);
  });

  it('undoes what was done, once, when killed while it compensates', { timeout: 120_000 }, async () => {
    await mesh.restart('coordinator', { MESH_KILL_AT: 'compensating' });
    await mesh.restart('records', { MESH_SKILL_DELAY: 'append-audit=60000' });
    const postId = 'post-compensating';
    const kills = await killsWhile('coordinator', async () => {
      const run = await startRun(base, 'content-moderation', { text: riskyText, postId }, randomUUID());
      const question = await questionOf(base, run.runId);
      await answer(base, question.id, { action: 'approve', by: 'ada' });
      // The status is set and the audit entry is being written: canceling now has one step to undo.
      await eventually(
        () => timeline(base, run.runId),
        (entries) =>
          entries.some((entry) => entry.type === 'call-sent' && JSON.stringify(entry).includes('append-audit')),
        { what: 'the audit call' },
      );
      await post(`${base()}/runs/${run.runId}/cancel`, { reason: 'changed my mind' });
      expect((await ended(base, run.runId)).status).toBe('canceled');
    });
    expect(kills, 'kill point compensating was hit').toBe(1);
    expect(posts(mesh, postId)).toMatchObject([{ status: 'pending' }]);
    expect(statusChanges(mesh, postId)).toHaveLength(2);
    expect(auditEntries(mesh, postId)).toHaveLength(0);
    await mesh.restart('records');
  });
});

describe('an agent that dies or is away', () => {
  it('runs a moderator again that was killed while it worked', { timeout: 120_000 }, async () => {
    await mesh.restart('moderator-spam', { MESH_SKILL_DELAY: '1500' });
    const run = await startRun(base, 'content-moderation', { text: calmText, postId: 'post-a' }, randomUUID());
    await untilCalled(base, run.runId, 'moderator-spam');
    expect(await killsWhile('moderator-spam', () => mesh.kill('moderator-spam'))).toBe(1);
    const end = await ended(base, run.runId);
    expect(end).toMatchObject({ status: 'completed', output: { decision: 'approved' } });
    expectOnce(mesh, 'post-a');
  });

  it('waits for records that is down for 20 seconds during the chain', { timeout: 120_000 }, async () => {
    const run = await startRun(base, 'content-moderation', { text: riskyText, postId: 'post-b' }, randomUUID());
    const question = await questionOf(base, run.runId);
    await mesh.kill('records', { hold: true });
    const downSince = Date.now();
    await answer(base, question.id, { action: 'reject', reason: 'a threat', by: 'ada' });
    await eventually(
      async () => Date.now() - downSince,
      (ms) => ms >= 20_000,
      { what: '20 s of absence' },
    );
    await mesh.up('records');
    const end = await ended(base, run.runId);
    expect(end).toMatchObject({ status: 'completed', output: { decision: 'rejected' } });
    expectOnce(mesh, 'post-b');
  });

  it(
    'goes on at the new address of agents that were configured elsewhere meanwhile',
    { timeout: 120_000 },
    async () => {
      await mesh.restart('records', { MESH_SKILL_DELAY: '2000' });
      const run = await startRun(base, 'content-moderation', { text: calmText, postId: 'post-c' }, randomUUID());
      await untilCalled(base, run.runId, 'records');
      await mesh.kill('coordinator', { hold: true });
      const from = mesh.url('records');
      await mesh.restart('records', { MESH_PORT: '0' });
      expect(mesh.url('records')).not.toBe(from);
      await mesh.restart('coordinator', { MESH_PEERS: peers.map((name) => mesh.url(name)).join(',') });
      expect(await ended(base, run.runId)).toMatchObject({ status: 'completed', output: { decision: 'approved' } });
      expectOnce(mesh, 'post-c');
    },
  );
});
