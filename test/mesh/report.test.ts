import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, type Run, startRun, untilCalled } from './api.ts';
import { daprdApi, isDaprWanted, sidecarApi, startOnDapr } from './dapr.ts';
import { eventually, Mesh } from './mesh.ts';
import { type Stores, taskStates } from './read-store.ts';

/** A report as a client of HTTP meets it: accepted, polled, watched, downloaded; late, killed, and as Dapr tells of it. */

const input = {
  topic: 'Orders by region',
  question: 'Which region has the highest amount?',
  files: ['regions.csv', '*.md', '../../../package.json'],
  tables: [{ name: 'orders', where: [{ column: 'product', value: 'heat pump' }] }],
};

interface PolledRun extends Run {
  progress?: { message: string; percent: number; step: string };
  links: Record<string, string>;
}

interface ArtifactPage {
  artifacts: { artifactId: string; name: string; mediaType: string; links: { download: string } }[];
}

/** A run as Dapr's own API tells of it. */
interface DaprInstance {
  runtimeStatus: string;
  properties: Record<string, string>;
}

const json = async <T>(url: string, headers: Record<string, string> = {}): Promise<T> => {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(20_000) });
  // JSON has no type; the API documents this one.
  return (await response.json()) as T;
};

/** Follows a run as the API asks its clients to, and gives every state that was seen. */
async function poll(url: string): Promise<PolledRun[]> {
  const seen: PolledRun[] = [];
  for (;;) {
    const response = await fetch(url);
    const run = (await response.json()) as PolledRun;
    seen.push(run);
    const retryAfter = response.headers.get('retry-after');
    if (retryAfter === null) return seen;
    await sleep(Number(retryAfter) * 1_000);
  }
}

/** The same by long polls: each is held back until the run is not as it was seen. */
async function longPoll(url: string): Promise<PolledRun[]> {
  const seen: PolledRun[] = [];
  for (let etag = ''; ;) {
    const response = await fetch(`${url}?wait=30s`, { headers: etag === '' ? {} : { 'if-none-match': etag } });
    etag = response.headers.get('etag') ?? '';
    if (response.status === 200) seen.push((await response.json()) as PolledRun);
    if (['completed', 'failed', 'canceled'].includes(seen.at(-1)?.status ?? '')) return seen;
  }
}

/** The sentence that must stand in the report, with figures that SQL computes from the same data. */
function leadingRegion(mesh: Stores): string {
  using database = new DatabaseSync(join(mesh.dataOf('data-collector'), 'sample.db'), { readOnly: true });
  const sums = database
    .prepare(
      "SELECT region, sum(amount) AS amount FROM orders WHERE product = 'heat pump' GROUP BY region ORDER BY amount DESC",
    )
    .all()
    .map(({ region, amount }) => `${String(region)} (${Number(amount).toLocaleString('en-US')})`);
  return `highest for ${sums.at(0)} and lowest for ${sums.at(-1)}`;
}

/** Of the same run both APIs must tell the same. */
const whatDaprTells = ({ runtimeStatus, properties }: DaprInstance): unknown => ({
  status: runtimeStatus.toLowerCase(),
  progress: JSON.parse(properties['dapr.workflow.custom_status'] ?? ''),
  output: JSON.parse(properties['dapr.workflow.output'] ?? ''),
});
const whatWeTell = ({ status, progress, output }: PolledRun): unknown => ({ status, progress, output });

describe('a report', () => {
  let mesh: Mesh;
  const base = () => mesh.coordinator;
  beforeAll(async () => {
    const env = { coordinator: { MESH_DAPR_HTTP_PORT: '0' }, analyst: { MESH_SKILL_DELAY: '2500' } };
    mesh = await Mesh.start({ peers: ['data-collector', 'analyst', 'formatter'], env });
  }, 60_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  it('is accepted, polled, watched and downloaded', { timeout: 60_000 }, async () => {
    const accepted = await fetch(`${base()}/workflows/report`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(input),
    });
    expect([accepted.status, accepted.headers.get('retry-after')]).toEqual([202, '1']);
    const url = `${base()}${accepted.headers.get('location')}`;
    const [polled, pushed, stream] = await Promise.all([
      poll(url),
      longPoll(url),
      fetch(`${url}/events`).then((response) => response.text()),
    ]);
    const run = pushed.at(-1);
    if (!run) throw new Error('nothing was seen');
    expect(run).toMatchObject({ status: 'completed', progress: { percent: 100, step: 'ready' } });
    expect(polled.at(-1)).toEqual(run);
    const steps = [...new Set(pushed.map(({ progress }) => progress?.step))].filter((step) => step !== undefined);
    expect(steps).toEqual(expect.arrayContaining(['analyze', 'ready']));
    expect(pushed.map(({ progress }) => progress?.percent ?? 0)).toEqual(
      pushed.map(({ progress }) => progress?.percent ?? 0).toSorted((a, b) => a - b),
    );
    for (const type of ['run-started', 'progress', 'run-completed']) expect(stream).toContain(`"type":"${type}"`);

    const { artifacts } = await json<ArtifactPage>(`${base()}${run.links['artifacts']}`);
    expect(artifacts.map(({ name, mediaType }) => [name, mediaType])).toEqual([
      ['orders-by-region.html', 'text/html'],
      ['report-result.json', 'application/json'],
    ]);
    const file = await fetch(`${base()}${artifacts[0]?.links.download}`);
    expect(file.headers.get('content-disposition')).toBe('attachment; filename="orders-by-region.html"');
    const page = await file.text();
    expect(page).toContain(leadingRegion(mesh));
    expect(page).toContain('<code>table:orders</code>');
    expect(run.output).toMatchObject({
      model: 'offline',
      problems: [{ source: 'file:../../../package.json', code: 'PATH_NOT_ALLOWED' }],
    });
    expect(whatDaprTells(await json<DaprInstance>(`${sidecarApi(mesh)}/workflows/dapr/${run.runId}`))).toEqual(
      whatWeTell(run),
    );
  });

  it('fails in its own way when its time is up, and the analyst is told to stop', { timeout: 60_000 }, async () => {
    const late = await startRun(base, 'report', { ...input, timeLimitMs: 1_500 }, randomUUID());
    const run = (await poll(`${base()}/runs/${late.runId}`)).at(-1);
    expect(run).toMatchObject({
      status: 'failed',
      progress: { step: 'analyze' },
      error: { code: 'DEADLINE_EXCEEDED', details: { timeLimitMs: 1_500 } },
    });
    expect(await json(`${base()}/runs/${late.runId}/artifacts`)).toEqual({ artifacts: [] });
    await eventually(
      async () => taskStates(mesh, 'analyst').at(-1),
      (state) => state?.includes('CANCELED') === true,
      {
        what: 'the canceled task',
      },
    );
  });

  it('goes on where it was when analyst and coordinator are killed in the middle', { timeout: 90_000 }, async () => {
    const [before, collected] = [taskStates(mesh, 'analyst').length, taskStates(mesh, 'data-collector').length];
    const { runId } = await startRun(base, 'report', input, randomUUID());
    await untilCalled(base, runId, 'analyst');
    await Promise.all([mesh.kill('analyst'), mesh.kill('coordinator')]);
    await mesh.up('coordinator');
    const run = await ended(base, runId);
    expect(run).toMatchObject({ status: 'completed', output: { model: 'offline' } });
    expect(JSON.stringify(run.output)).toContain(leadingRegion(mesh));
    expect([taskStates(mesh, 'analyst').length, taskStates(mesh, 'data-collector').length]).toEqual([
      before + 1,
      collected + 1,
    ]);
  });
});

describe.skipIf(!isDaprWanted())('a report on Dapr', () => {
  it("is told of by daprd's API as by ours", { timeout: 180_000 }, async () => {
    await using mesh = await startOnDapr(['data-collector', 'analyst', 'formatter']);
    const { runId } = await startRun(() => mesh.coordinator, 'report', input, randomUUID());
    await ended(() => mesh.coordinator, runId, 120_000);
    const { url, apiToken } = daprdApi(mesh);
    const instance = await eventually(
      () => json<DaprInstance>(`${url}/workflows/dapr/${runId}`, { 'dapr-api-token': apiToken }),
      ({ runtimeStatus }) => runtimeStatus === 'COMPLETED',
      { what: 'the end of the instance' },
    );
    const run = await json<PolledRun>(`${mesh.coordinator}/runs/${runId}`);
    expect(whatDaprTells(instance)).toEqual(whatWeTell(run));
  });
});
