import { AgentClient } from '@daca-mesh/protocol/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineWorkflow } from '../src/workflow-kit/workflow.ts';
import { http, type HttpInit, startCoordinator, type TestCoordinator } from './coordinator.ts';

/** Tells how far it is, waits to be told to go on, and makes a document. */
const paper = defineWorkflow({
  name: 'paper',
  version: 1,
  description: 'Makes a document.',
  input: z.strictObject({ title: z.string() }).meta({ examples: [{ title: 'A' }] }),
  output: z.strictObject({ content: z.string(), mediaType: z.string(), title: z.string() }),
  async *run(mesh, { title }) {
    yield* mesh.progress('collecting', 10, 'collect');
    yield* mesh.waitFor('more');
    yield* mesh.progress('writing', 80, 'write');
    yield* mesh.waitFor('end');
    return { content: '<h1>Grüße</h1><script>1</script>', mediaType: 'text/html', title };
  },
});

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator({}, [paper]);
});
afterAll(() => coordinator[Symbol.asyncDispose]());

const api = (path: string, body?: unknown, init?: HttpInit) => http(`${coordinator.url}${path}`, body, init);
const start = async (title = 'A'): Promise<string> => (await api('/workflows/paper', { title })).body.runId;
const tell = (runId: string, event: string) => api(`/runs/${runId}/events/${event}`, {});
/** The run, as soon as it tells of a step. */
const atStep = async (runId: string, step: string) => {
  await expect.poll(async () => (await api(`/runs/${runId}`)).body.progress?.step, { timeout: 20_000 }).toBe(step);
  return api(`/runs/${runId}`);
};
const finish = async (title?: string): Promise<string> => {
  const runId = await start(title);
  for (const event of ['more', 'end']) await tell(runId, event);
  await expect
    .poll(async () => (await api(`/runs/${runId}?wait=5s`)).body.status, { timeout: 20_000 })
    .toBe('completed');
  return runId;
};

describe('a run that is polled', () => {
  it('is accepted with where and when to look, and tells how far it is', async () => {
    const accepted = await api('/workflows/paper', { title: 'A' });
    expect(accepted.status).toBe(202);
    expect(accepted.headers.get('location')).toBe(`/runs/${accepted.body.runId}`);
    expect(accepted.headers.get('retry-after')).toBe('1');
    const { body, headers } = await atStep(accepted.body.runId, 'collect');
    expect(body).toMatchObject({
      status: 'running',
      progress: { message: 'collecting', percent: 10, step: 'collect' },
    });
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  });

  it('has no time to look again once it has ended', async () => {
    const { headers, body } = await api(`/runs/${await finish()}?wait=30s`);
    expect(body.status).toBe('completed');
    expect(headers.has('retry-after')).toBe(false);
  });

  it('is held back by wait until its progress changes', async () => {
    const runId = await start();
    await atStep(runId, 'collect');
    const waiting = api(`/runs/${runId}?wait=60s`);
    await tell(runId, 'more');
    expect((await waiting).body.progress).toMatchObject({ step: 'write', percent: 80 });
  });

  it('is 304 while it is as the client saw it, and returned at once when it is not', async () => {
    const runId = await start();
    const { headers } = await atStep(runId, 'collect');
    const etag = headers.get('etag') ?? '';
    expect(etag).toMatch(/^W\/"/);
    const init = { headers: { 'if-none-match': etag } };
    for (const query of ['', '?wait=100ms']) {
      expect(await api(`/runs/${runId}${query}`, undefined, init)).toMatchObject({ status: 304, body: undefined });
    }
    await tell(runId, 'more');
    await atStep(runId, 'write');
    const changed = await api(`/runs/${runId}?wait=60s`, undefined, init);
    expect(changed).toMatchObject({ status: 200, body: { progress: { step: 'write' } } });
  });

  it.each(['abc', '-5s', '', '5 minutes', '1e3', '1234567', 'Infinity', '30s&wait=30s'])(
    'refuses to wait for %j',
    async (wait) => {
      const { status, body } = await api(`/runs/${await start()}?wait=${wait}`);
      expect([status, body.code]).toEqual([400, 'INVALID_ARGUMENT']);
    },
  );

  it('does not wait for a run that is not there', async () => {
    expect((await api('/runs/none?wait=30s')).body.code).toBe('RUN_NOT_FOUND');
  });
});

describe('the artifacts of a run', () => {
  it('are none before its end', async () => {
    const runId = await start();
    expect((await api(`/runs/${runId}/artifacts`)).body).toEqual({ artifacts: [] });
    expect((await api(`/runs/${runId}/artifacts/content`)).body.code).toBe('NOT_FOUND');
  });

  it('are files with a name, a media type and a tag, which no browser takes for a page of the coordinator', async () => {
    const runId = await finish('../Quarterly "Report"');
    const { links } = (await api(`/runs/${runId}`)).body;
    const { artifacts } = (await api(links.artifacts)).body;
    expect(artifacts).toMatchObject([
      { artifactId: 'content', name: 'quarterly-report.html', mediaType: 'text/html', bytes: 34 },
      { artifactId: 'result', name: 'paper-result.json', mediaType: 'application/json' },
    ]);
    const url = `${coordinator.url}${artifacts[0].links.download}`;
    const file = await fetch(url);
    expect(Object.fromEntries(file.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-disposition': 'attachment; filename="quarterly-report.html"',
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
      'content-length': '34',
    });
    expect(await file.text()).toBe('<h1>Grüße</h1><script>1</script>');
    const known = await fetch(url, { headers: { 'if-none-match': file.headers.get('etag') ?? '' } });
    expect([known.status, await known.text()]).toEqual([304, '']);
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '34', '']);
    const json = await fetch(`${coordinator.url}${artifacts[1].links.download}`);
    expect(json.headers.get('content-type')).toBe('application/json');
    expect(await json.json()).toMatchObject({ mediaType: 'text/html' });
  });

  it('reach A2A clients with name and media type, too', async () => {
    const runId = await finish('Notes');
    const task = await (await AgentClient.connect(coordinator.url)).get(runId);
    expect(task.artifacts.at(-1)?.parts[1]).toMatchObject({ mediaType: 'text/html', filename: 'notes.html' });
  });

  it.each(['none', '%2e%2e%2f%2e%2e%2fetc%2fpasswd', '0', '__proto__', 'content%00', 'x'.repeat(300)])(
    'do not have %j',
    async (id) => {
      const { status, body } = await api(`/runs/${await finish()}/artifacts/${id}`);
      expect([status, body.code]).toEqual(id.length > 200 ? [400, 'INVALID_ARGUMENT'] : [404, 'NOT_FOUND']);
    },
  );
});
