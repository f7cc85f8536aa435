import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { defineWorkflow } from '../src/workflow-kit/workflow.ts';
import { http, openQuestion, startCoordinator } from './coordinator.ts';

/** Reports its progress hundreds of times, many at a time, then asks. */
const chatty = defineWorkflow({
  name: 'chatty',
  version: 1,
  description: 'Reports often.',
  input: z.strictObject({}).meta({ examples: [{}] }),
  output: z.strictObject({}),
  async *run(mesh) {
    yield* mesh.all(Array.from({ length: 520 }, (_, n) => mesh.progress(`report ${n}`)));
    yield* mesh.ask({ prompt: 'Enough?' });
    yield* mesh.ask({ prompt: 'Really?' });
    return {};
  },
});

it('warns once, on the timeline, of a run whose history has become long', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'long-history-'));
  const start = () => startCoordinator({ MESH_DATA: folder }, [chatty]);
  let runId = '';
  const warnings = async (url: string) => {
    const after = (await http(`${url}/runs/${runId}/timeline?limit=500&after=500`)).body.entries;
    return after.filter(({ type }: { type: string }) => type === 'warning');
  };
  const approve = async (url: string, prompt: RegExp) => {
    const { id } = await openQuestion(url, runId, prompt);
    expect((await http(`${url}/questions/${id}/answer`, { action: 'approve' })).status).toBe(200);
  };
  try {
    {
      await using coordinator = await start();
      runId = (await http(`${coordinator.url}/workflows/chatty`, {})).body.runId;
      await approve(coordinator.url, /Enough/);
      await openQuestion(coordinator.url, runId, /Really/);
    }
    await using coordinator = await start();
    const { url } = coordinator;
    await approve(url, /Really/);
    await expect
      .poll(async () => (await http(`${url}/runs/${runId}`)).body.status, { timeout: 30_000 })
      .toBe('completed');
    expect(await warnings(url)).toMatchObject([
      { data: { message: expect.stringMatching(/its history has \d{4} events, .*continueAsNew/) } },
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
