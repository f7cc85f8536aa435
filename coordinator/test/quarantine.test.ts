import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { QuarantineMarks } from '../sidecar/src/engine/quarantine-marks.ts';
import { http, openQuestion, startCoordinator } from './coordinator.ts';

const patient = { timeout: 30_000, interval: 50 };
const runOf = async (url: string, runId: string) => (await http(`${url}/runs/${runId}`)).body;

/** Starts a run, which waits at its first question. */
async function begin(url: string): Promise<string> {
  const { runId } = (await http(`${url}/workflows/review`, { text: 'a post' })).body;
  await openQuestion(url, runId, /good/);
  return runId;
}

describe('a run whose turn has ended the process three times in a row', () => {
  let folder: string;
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'quarantine-'))));
  afterEach(() => rm(folder, { recursive: true }));
  const start = () => startCoordinator({ MESH_DATA: folder });

  /** As a third process leaves it that died during the turn which is next. */
  function markAsCulprit(runId: string): void {
    const path = join(folder, 'engine.db');
    using database = new DatabaseSync(path, { readOnly: true });
    const row = database.prepare('SELECT run, execution_id, history_length FROM instances WHERE id = ?').get(runId);
    new QuarantineMarks(`${path}.turns`).replace([
      {
        run: Number(row?.['run']),
        executionId: String(row?.['execution_id']),
        historyLength: Number(row?.['history_length']),
        ends: 2,
        inProgress: true,
      },
    ]);
  }

  it(
    'is stalled and says why, through restarts, until it is resumed; other runs go on',
    { timeout: 90_000 },
    async () => {
      let runId: string;
      {
        await using coordinator = await start();
        runId = await begin(coordinator.url);
      }
      markAsCulprit(runId);
      const quarantined = {
        status: 'stalled',
        stalled: { reason: 'QUARANTINED', message: expect.stringContaining('three times in a row') },
      };
      {
        await using coordinator = await start();
        const { url } = coordinator;
        await expect.poll(() => runOf(url, runId), patient).toMatchObject(quarantined);
        await begin(url);
        // What comes meanwhile is kept.
        const { id } = await openQuestion(url, runId);
        expect((await http(`${url}/questions/${id}/answer`, { action: 'approve' })).status).toBe(200);
        expect(await runOf(url, runId)).toMatchObject(quarantined);
      }
      await using coordinator = await start();
      const { url } = coordinator;
      expect(await runOf(url, runId)).toMatchObject(quarantined);
      expect((await http(`${url}/runs/${runId}/resume`, {})).status).toBe(202);
      await openQuestion(url, runId, /Tell/);
      await expect.poll(() => runOf(url, runId), patient).toMatchObject({ status: 'waiting' });
    },
  );
});
