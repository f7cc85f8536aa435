import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { answer, riskyText, startRun } from '@daca-mesh/test/api';
import { Mesh } from '@daca-mesh/test/mesh';
import { inParallel, round } from '../load.ts';
import { endOf } from './run-client.ts';

/** How many of the parked runs are answered after the restart. */
const answered = 200;

/** Runs that wait for a person while the coordinator is killed; then people answer. */
export async function parkRuns(counts: readonly number[]): Promise<object[]> {
  const rows: object[] = [];
  for (const count of counts) rows.push(await park(count));
  return rows;
}

async function park(count: number): Promise<object> {
  await using mesh = await Mesh.start({
    peers: ['moderator-toxicity', 'moderator-spam', 'moderator-violence', 'records'],
    env: { all: { MESH_LOG_LEVEL: 'info' } },
  });
  const base = () => mesh.coordinator;
  const startedAt = performance.now();
  const runs = Array.from({ length: count }, (_, index) => index);
  await inParallel(runs, 50, async (index) => {
    await startRun(base, 'content-moderation', { text: riskyText, postId: `post-${index}` }, randomUUID());
  });
  while (openQuestions(mesh).length < count) await pause();
  const parkedMs = performance.now() - startedAt;

  await mesh.kill('coordinator');
  const killedAt = performance.now();
  await mesh.up('coordinator');
  const readyMs = performance.now() - killedAt;
  const waiting = openQuestions(mesh).slice(0, answered);
  const answeringAt = performance.now();
  await Promise.all(
    waiting.map(async ({ questionId, runId }) => {
      await answer(base, questionId, { action: 'approve', by: 'bench' });
      const run = await endOf(base, runId);
      if (run.status !== 'completed') throw new Error(`run ${runId} ended ${run.status}`);
    }),
  );
  return {
    parked: count,
    parkedPerSecond: round(count / (parkedMs / 1_000)),
    readyAfterKillMs: Math.round(readyMs),
    answered: waiting.length,
    finishedMs: Math.round(performance.now() - answeringAt),
    pssMiB: pssMiB(mesh.processes().find(({ name }) => name === 'coordinator')?.pid ?? 0),
    databaseMiB: round(statSync(join(mesh.dataOf('coordinator'), 'coordinator.db')).size / 2 ** 20),
  };
}

/** Read beside the running coordinator, since asking it for 10,000 questions would be a load of its own. */
function openQuestions(mesh: Mesh): { questionId: string; runId: string }[] {
  const database = new DatabaseSync(join(mesh.dataOf('coordinator'), 'coordinator.db'), { readOnly: true });
  try {
    return database
      .prepare("SELECT question_id, run_id FROM questions WHERE status = 'open' ORDER BY asked_at")
      .all()
      .map((row) => ({ questionId: String(row['question_id']), runId: String(row['run_id']) }));
  } finally {
    database.close();
  }
}

function pssMiB(pid: number): number {
  const kib = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
  return round(Number(kib ?? Number.NaN) / 1_024);
}

const pause = (): Promise<void> => new Promise((wake) => setTimeout(wake, 250));
