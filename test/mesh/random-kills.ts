import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { answer, ended, openQuestions, riskyText, startRun, timeline } from './api.ts';
import { auditEntries, posts, statusChanges } from './effects.ts';
import type { RunningMesh } from './mesh.ts';

export const seedOf = (environment: NodeJS.ProcessEnv): number =>
  Number(environment['MESH_TEST_SEED'] ?? randomInt(2 ** 31));

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

/**
 * Starts one run after the other and kills a random victim at a random moment of each; every run has to end as it would
 * have, with every effect once. The seed repeats the sequence of choices. Returns who was killed, in order.
 */
export async function expectNothingLost(
  mesh: RunningMesh,
  { victims, kills, seed, withinMs }: { victims: readonly string[]; kills: number; seed: number; withinMs: number },
): Promise<string[]> {
  const next = random(seed);
  const killed: string[] = [];
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
      await sleep(50);
    }
  })();

  const finished: Promise<void>[] = [];
  const startOne = async (index: number): Promise<void> => {
    const postId = `post-${index}`;
    const run = await startRun(base, 'content-moderation', { text: riskyText, postId }, randomUUID());
    runs.set(postId, run.runId);
    const end = await ended(base, run.runId, withinMs);
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
    await sleep(Math.floor(next() * 900));
    const victim = victims[Math.floor(next() * victims.length)] ?? 'coordinator';
    await mesh.kill(victim);
    killed.push(victim);
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
  return killed;
}
