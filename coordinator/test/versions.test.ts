import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Mesh } from '../src/workflow-kit/mesh.ts';
import type { Step } from '../src/workflow-kit/orchestration.ts';
import { defineWorkflow } from '../src/workflow-kit/workflow.ts';
import { http, openQuestion, startCoordinator } from './coordinator.ts';
import { engines, type EngineOfTest } from './engines.ts';

const patient = { timeout: 30_000, interval: 50 };

const steps = (version: number, ask: (mesh: Mesh) => Step<unknown>) =>
  defineWorkflow({
    name: 'steps',
    version,
    description: 'Asks.',
    input: z.strictObject({}).meta({ examples: [{}] }),
    output: z.strictObject({ version: z.int() }),
    async *run(mesh) {
      yield* ask(mesh);
      return { version };
    },
  });

const first = steps(1, (mesh) => mesh.ask({ prompt: 'Go on?' }));
const second = steps(2, (mesh) => mesh.ask({ prompt: 'Go on, in the new way?' }));
const changedFirst = steps(1, (mesh) => mesh.waitFor('go-ahead'));

const runOf = async (url: string, runId: string) => (await http(`${url}/runs/${runId}`)).body;
const entriesOf = async (url: string, runId: string, type: string) =>
  (await http(`${url}/runs/${runId}/timeline`)).body.entries.filter((entry: { type: string }) => entry.type === type);

async function approve(url: string, runId: string): Promise<void> {
  const { id } = await openQuestion(url, runId);
  expect((await http(`${url}/questions/${id}/answer`, { action: 'approve' })).status).toBe(200);
}

describe.each(engines)('on $name a run keeps the version it was started with', ({ start: startEngine }) => {
  let engine: EngineOfTest;
  let folder: string;
  beforeAll(async () => void (engine = await startEngine()), 90_000);
  afterAll(() => engine?.[Symbol.asyncDispose](), 60_000);
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'versions-'))));
  afterEach(() => rm(folder, { recursive: true }));

  const start = (...workflows: (typeof first)[]) =>
    startCoordinator({ MESH_DATA: folder, ...engine.environment }, workflows);
  /** Starts a run of the first version; it waits at its question. */
  async function begin(): Promise<string> {
    await using coordinator = await start(first);
    const { runId } = (await http(`${coordinator.url}/workflows/steps`, {})).body;
    await openQuestion(coordinator.url, runId);
    return runId;
  }

  it('is stalled, and says so, while no worker has it, and goes on by itself as soon as one has', async () => {
    const runId = await begin();
    {
      await using coordinator = await start(second);
      const { url } = coordinator;
      const stalled = { reason: 'WORKFLOW_NOT_FOUND', message: 'this process has no workflow steps@1' };
      expect(await runOf(url, runId)).toMatchObject({ status: 'stalled', stalled, version: 1 });
      expect((await http(`${url}/runs?status=stalled`)).body.runs).toMatchObject([{ runId }]);
      // The answer counts; the instance is woken by it, and there is still nobody who has its code.
      await approve(url, runId);
      const other = (await http(`${url}/workflows/steps`, {})).body;
      expect(other.version).toBe(2);
      await openQuestion(url, other.runId, /new way/);
      await http(`${url}/runs/${runId}/resume`, {});
      expect(await runOf(url, runId)).toMatchObject({ status: 'stalled', stalled });
      expect(await entriesOf(url, runId, 'run-stalled')).toMatchObject([{ data: stalled }]);
    }
    await using coordinator = await start(first, second);
    const { url } = coordinator;
    await expect.poll(() => runOf(url, runId), patient).toMatchObject({ status: 'completed', output: { version: 1 } });
    expect(await runOf(url, runId)).not.toHaveProperty('stalled');
    expect(await entriesOf(url, runId, 'run-resumed')).toHaveLength(1);
    expect((await http(`${url}/workflows`)).body.workflows).toMatchObject([{ name: 'steps', version: 2 }]);
  });

  it('ends as canceled when a worker that has it appears, where it was canceled while none had', async () => {
    const runId = await begin();
    {
      await using coordinator = await start(second);
      const { url } = coordinator;
      for (const action of ['suspend', 'resume', 'suspend', 'cancel']) {
        expect((await http(`${url}/runs/${runId}/${action}`, {})).status).toBe(202);
        expect(await runOf(url, runId)).toMatchObject({ status: 'stalled' });
      }
      expect(await entriesOf(url, runId, 'cancel-requested')).toHaveLength(1);
    }
    await using coordinator = await start(first, second);
    await expect.poll(() => runOf(coordinator.url, runId), patient).toMatchObject({ status: 'canceled' });
    expect((await http(`${coordinator.url}/runs?status=stalled`)).body.runs).toEqual([]);
    expect((await http(`${coordinator.url}/questions?runId=${runId}&status=open`)).body.questions).toEqual([]);
  });

  it('that waits leaves `stalled` when a worker that has it appears, before anything else happens', async () => {
    const runId = await begin();
    {
      await using coordinator = await start(second);
      expect(await runOf(coordinator.url, runId)).toMatchObject({ status: 'stalled' });
    }
    await using coordinator = await start(first);
    await expect.poll(() => runOf(coordinator.url, runId), patient).toMatchObject({ status: 'waiting' });
    await approve(coordinator.url, runId);
    await expect.poll(() => runOf(coordinator.url, runId), patient).toMatchObject({ status: 'completed' });
  });

  it('is stalled by changed code under the same version, tries again when asked, and goes on with fitting code', async () => {
    const runId = await begin();
    {
      await using coordinator = await start(changedFirst);
      const { url } = coordinator;
      await approve(url, runId);
      await expect
        .poll(() => runOf(url, runId), patient)
        .toMatchObject({
          status: 'stalled',
          stalled: {
            reason: 'NON_DETERMINISM',
            message: expect.stringContaining('step 0 was ask "Go on?", the code now makes a wait for an event'),
          },
        });
      expect((await http(`${url}/runs/${runId}/resume`, {})).status).toBe(202);
      expect(await runOf(url, runId)).toMatchObject({ status: 'stalled' });
    }
    await using coordinator = await start(first);
    await expect
      .poll(() => runOf(coordinator.url, runId), patient)
      .toMatchObject({ status: 'completed', output: { version: 1 } });
  });
});
