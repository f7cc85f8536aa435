import { randomInt, randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { answer, ended, openQuestions, riskyText, startRun, timeline } from './api.ts';
import { auditEntries, posts, statusChanges } from './effects.ts';
import { Mesh } from './mesh.ts';

/** Random processes die at random moments while runs are under way. `MESH_TEST_SEED` repeats a sequence of choices. */

const kills = Number(process.env['MESH_TEST_KILLS'] ?? 20);
const seed = Number(process.env['MESH_TEST_SEED'] ?? randomInt(2 ** 31));

/** A small seeded generator (mulberry32), so that a failure can be repeated. */
function random(state: number): () => number {
  let current = state;
  return () => {
    current = (current + 0x6d2b79f5) | 0;
    let mixed = Math.imul(current ^ (current >>> 15), 1 | current);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

it(`loses and repeats nothing over ${kills} random kills (seed ${seed})`, { timeout: 300_000 }, async () => {
  const next = random(seed);
  const peers = ['moderator-toxicity', 'moderator-spam', 'moderator-violence', 'records'];
  const victims = ['coordinator', 'coordinator', 'coordinator', 'records', ...peers.slice(0, 3)];
  await using mesh = await Mesh.start({
    peers,
    env: Object.fromEntries(peers.map((name) => [name, { MESH_SKILL_DELAY: '120' }])),
  });
  const base = () => mesh.coordinator;
  const runs = new Map<string, string>();
  const over = new AbortController();

  const answerer = (async () => {
    while (!over.signal.aborted) {
      for (const runId of runs.values()) {
        try {
          for (const question of await openQuestions(base, runId)) {
            await answer(base, question.id, { action: 'approve', by: 'ada' });
          }
        } catch {
          // The coordinator is down at the moment; the next round asks again.
        }
      }
      await new Promise((wake) => setTimeout(wake, 50));
    }
  })();

  const finished: Promise<void>[] = [];
  const startOne = async (index: number): Promise<void> => {
    const postId = `post-${index}`;
    const run = await startRun(base, 'content-moderation', { text: riskyText, postId }, randomUUID());
    runs.set(postId, run.runId);
    const end = await ended(base, run.runId, 120_000);
    runs.delete(postId);
    expect(end, `run of ${postId}`).toMatchObject({ status: 'completed', output: { decision: 'approved' } });
    const asked = (await timeline(base, run.runId)).filter((entry) => entry.type === 'question-asked');
    expect(asked, `questions of ${postId}`).toHaveLength(1);
  };

  for (let index = 0; index < kills; index += 1) {
    const run = startOne(index);
    // Awaited together at the end; one that fails before is no unhandled rejection.
    run.catch(() => undefined);
    finished.push(run);
    await new Promise((wake) => setTimeout(wake, Math.floor(next() * 900)));
    const victim = victims[Math.floor(next() * victims.length)] ?? 'coordinator';
    await mesh.kill(victim);
    await mesh.up(victim);
  }
  await Promise.all(finished);
  over.abort();
  await answerer;

  for (let index = 0; index < kills; index += 1) {
    const postId = `post-${index}`;
    expect(posts(mesh, postId), `post ${postId}`).toMatchObject([{ status: 'approved' }]);
    expect(statusChanges(mesh, postId), `status changes of ${postId}`).toHaveLength(1);
    expect(auditEntries(mesh, postId), `audit entries of ${postId}`).toHaveLength(1);
  }
});
