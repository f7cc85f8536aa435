import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { calmText, startRun } from '@daca-mesh/test/api';
import { auditEntries, posts, statusChanges } from '@daca-mesh/test/effects';
import { Mesh } from '@daca-mesh/test/mesh';
import { quantile, round } from '../load.ts';
import { endOf } from './run-client.ts';

const moderators = ['moderator-toxicity', 'moderator-spam', 'moderator-violence'];
const peers = [...moderators, 'records'];
/** Who is killed, in turn. */
const victims = ['coordinator', 'records', 'coordinator', 'moderator-spam'];
const clients = 18;
/** How long every call of an agent takes, and how long between two kills. */
const [callMs, betweenKillsMs] = [200, 5_000];

/**
 * Clients run `content-moderation` while processes are killed. Lost: runs that did not end as they should. Repeated:
 * posts, changes of status and audit entries beyond one per run in the store of the records, and tasks beyond one per
 * call at any agent.
 */
export async function killInTurn(kills: number): Promise<object[]> {
  await using mesh = await Mesh.start({ peers, env: { all: { MESH_SKILL_DELAY: String(callMs) } } });
  const base = () => mesh.coordinator;
  const latencies: number[] = [];
  const postIds: string[] = [];
  let lost = 0;
  const over = new AbortController();
  const client = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const postId = randomUUID();
      postIds.push(postId);
      const startedAt = performance.now();
      const run = await startRun(base, 'content-moderation', { text: calmText, postId }, postId);
      const { status } = await endOf(base, run.runId);
      latencies.push(performance.now() - startedAt);
      if (status !== 'completed') lost += 1;
    }
  };
  const load = Promise.all(Array.from({ length: clients }, client));
  const startedAt = performance.now();
  for (let kill = 0; kill < kills; kill += 1) {
    await new Promise((wake) => setTimeout(wake, betweenKillsMs));
    const victim = victims[kill % victims.length] ?? 'coordinator';
    await mesh.kill(victim);
    await mesh.up(victim);
  }
  await new Promise((wake) => setTimeout(wake, betweenKillsMs));
  over.abort();
  await load;
  const seconds = (performance.now() - startedAt) / 1_000;
  const effects = postIds.map((postId) =>
    [posts, statusChanges, auditEntries].map((read) => read(mesh, postId).length),
  );
  const sorted = latencies.sort((a, b) => a - b);
  return [
    {
      kills,
      runs: sorted.length,
      runsPerSecond: round(sorted.length / seconds),
      p50Ms: Math.round(quantile(sorted, 0.5)),
      p99Ms: Math.round(quantile(sorted, 0.99)),
      lost: lost + effects.filter((counts) => counts.includes(0)).length,
      repeatedEffects: effects.flat().reduce((sum, count) => sum + Math.max(0, count - 1), 0),
      repeatedTasks: peers.reduce((sum, name) => sum + repeatedTasks(mesh, name), 0),
    },
  ];
}

/** Tasks of an agent that stand for a call which already had one. */
function repeatedTasks(mesh: Mesh, name: string): number {
  const database = new DatabaseSync(join(mesh.dataOf(name), 'store.db'), { readOnly: true });
  try {
    const row = database.prepare('SELECT count(*) - count(DISTINCT effect_key) AS repeated FROM tasks').get();
    return Number(row?.['repeated']);
  } finally {
    database.close();
  }
}
