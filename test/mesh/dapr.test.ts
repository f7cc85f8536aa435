import { randomUUID } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  answer,
  calmText,
  ended,
  type Entry,
  type Question,
  questionOf,
  riskyText,
  startRun,
  timeline,
  untilCalled,
} from './api.ts';
import { daprdApi, isDaprWanted, startOnDapr } from './dapr.ts';
import { auditEntries, posts, statusChanges } from './effects.ts';
import { freeMeshPorts, MeshUp, runMesh } from './mesh-up.ts';
import { hasPostgres, howToGetPostgres, startPostgres } from './postgres.ts';

/**
 * The mesh on real Dapr, as `mesh up --engine dapr` runs it. `MESH_TEST_DAPR=1` asks for it, since it takes minutes: a
 * scheduler that was killed does nothing for about 25 s, until the lease of its predecessor has run out.
 */

const isWanted = isDaprWanted();

const dapr = ['--engine', 'dapr'];
const peers = ['moderator-toxicity', 'moderator-spam', 'moderator-violence', 'records'];
const only = ['--only', ['coordinator', ...peers].join(',')];
const patienceMs = 120_000;

let folder: string;
let port: number;
beforeEach(async () => {
  // A mesh that is started again has its agents where they were, as it has for users.
  port = await freeMeshPorts();
  folder = mkdtempSync(join(tmpdir(), 'mesh-dapr-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const startOn = (data: string, args: string[], env: Record<string, string> = {}): Promise<MeshUp> =>
  MeshUp.start({ data, port, args: [...only, ...args], env });

const moderate = async (mesh: MeshUp, postId: string, text = riskyText): Promise<string> =>
  (await startRun(() => mesh.coordinator, 'content-moderation', { text, postId }, randomUUID())).runId;

const ask = async (mesh: MeshUp, postId: string): Promise<Question> =>
  questionOf(() => mesh.coordinator, await moderate(mesh, postId), patienceMs);

const approve = (mesh: MeshUp, question: Question): Promise<void> =>
  answer(() => mesh.coordinator, question.id, { action: 'approve', by: 'ada' });

/** Waits until an agent works for the run. */
const underWay = (mesh: MeshUp, runId: string): Promise<Entry[]> =>
  untilCalled(() => mesh.coordinator, runId, 'moderator', patienceMs);

/** A run that ended as if nothing had happened: every effect once, and nobody asked twice. */
async function expectOnce(mesh: MeshUp, runId: string, postId: string, questions: number): Promise<void> {
  const run = await ended(() => mesh.coordinator, runId, patienceMs);
  expect(run).toMatchObject({ status: 'completed', output: { decision: 'approved' } });
  expect(posts(mesh, postId)).toMatchObject([{ status: 'approved' }]);
  expect(statusChanges(mesh, postId)).toHaveLength(1);
  expect(auditEntries(mesh, postId)).toHaveLength(1);
  const entries = await timeline(() => mesh.coordinator, runId);
  expect(entries.filter(({ type }) => type === 'question-asked')).toHaveLength(questions);
}

/** What a mesh left open. */
interface Left {
  question: Question;
  postId: string;
  busy: string;
}

/** Runs a mesh until one run waits for an answer and another is in the middle, and stops it. */
async function leaveOpen(data: string, name: string, args: string[], env: Record<string, string> = {}): Promise<Left> {
  await using mesh = await startOn(data, args, { MESH_SKILL_DELAY: '300', ...env });
  const postId = `post-${name}`;
  const question = await ask(mesh, postId);
  const busy = await moderate(mesh, `${postId}-busy`, calmText);
  await underWay(mesh, busy);
  return { question, postId, busy };
}

async function expectAllOnce(mesh: MeshUp, all: readonly Left[]): Promise<void> {
  for (const { question, postId, busy } of all) {
    await approve(mesh, question);
    await expectOnce(mesh, question.runId, postId, 1);
    await expectOnce(mesh, busy, `${postId}-busy`, 0);
  }
}

/** The command lines of all processes that have to do with the folder. */
const commandLines = (data: string): string[] =>
  execFileSync('ps', ['-ww', '-eo', 'pid,args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(data) && !line.includes('<defunct>'));

/** The logs of a mesh in which a text occurs. */
const logsWith = (data: string, text: string): string[] =>
  readdirSync(join(data, 'logs')).filter((name) => readFileSync(join(data, 'logs', name), 'utf8').includes(text));

describe.skipIf(!isWanted)('a mesh on Dapr', () => {
  it('runs every shipped workflow to the right outcome', { timeout: patienceMs }, async () => {
    const { exitCode, stdout, stderr } = await runMesh(['demo', '--auto', '--json', ...dapr], { TMPDIR: folder });
    const results = stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect({ exitCode, results, stderr }).toMatchObject({
      exitCode: 0,
      results: [
        { workflow: 'content-pipeline', ok: true, problems: [] },
        { workflow: 'device-scene', ok: true, output: { status: 'all-set' } },
        { workflow: 'health-monitor', ok: true },
        { workflow: 'content-moderation', ok: true, output: { decision: 'approved' } },
        { workflow: 'report', ok: true },
        { workflow: 'purchase-order', ok: true, output: { status: 'confirmed' } },
        { workflow: 'diagnosis-review', ok: true, output: { status: 'approved' } },
        { workflow: 'device-repair', ok: true, output: { status: 'repaired' } },
      ],
    });
    await expect.poll(() => commandLines(folder)).toEqual([]);
  });

  it(
    'shows Dapr among its processes, keeps its token to itself, and leaves nothing behind',
    { timeout: patienceMs },
    async () => {
      const data = join(folder, 'data');
      await using mesh = await startOn(data, dapr);
      const processes = await mesh.processes();
      expect(processes.filter(({ status }) => status === 'ready').map(({ name }) => name)).toEqual(
        expect.arrayContaining(['placement', 'scheduler', 'daprd']),
      );
      const { pid } = await mesh.process('daprd');
      expect(execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).trim()).toBe('daprd');

      expect(statSync(join(data, 'dapr/identity.json')).mode & 0o077).toBe(0);
      const { url, apiToken } = daprdApi(mesh);
      const api = `${url}/metadata`;
      expect((await fetch(api)).status).toBe(401);
      expect((await fetch(api, { headers: { 'dapr-api-token': apiToken } })).status).toBe(200);
      expect(execFileSync('ps', ['-ww', '-eo', 'args'], { encoding: 'utf8' })).not.toContain(apiToken);
      expect(logsWith(data, apiToken)).toEqual([]);

      expect(await mesh.stop()).toBe(0);
      expect(commandLines(data)).toEqual([]);
    },
  );

  it(
    'takes Dapr with it when it is killed itself, and goes on from the same folder',
    { timeout: patienceMs },
    async () => {
      const data = join(folder, 'data');
      const first = await startOn(data, dapr);
      const question = await ask(first, 'post-supervisor');
      const before = await first.process('daprd');
      await first.stop('SIGKILL');
      await expect.poll(() => commandLines(data), { timeout: 20_000 }).toEqual([]);

      await using second = await startOn(data, dapr);
      expect((await second.process('daprd')).url).toBe(before.url);
      await approve(second, question);
      await expectOnce(second, question.runId, 'post-supervisor', 1);
    },
  );
});

describe.skipIf(!isWanted)('a run on Dapr while a process is killed', () => {
  let mesh: MeshUp;
  beforeAll(async () => {
    mesh = await startOnDapr(peers, { MESH_SKILL_DELAY: '1000' });
  }, patienceMs);
  afterAll(() => mesh[Symbol.asyncDispose]());

  it.each(['coordinator', 'placement', 'daprd', 'scheduler'])(
    'ends as it would have: %s',
    { timeout: 2 * patienceMs },
    async (victim) => {
      const waiting = await ask(mesh, `post-waiting-${victim}`);
      const busy = await Promise.all(
        Array.from({ length: 4 }, async (_, index) => {
          const postId = `post-busy-${victim}-${index}`;
          const runId = await moderate(mesh, postId, calmText);
          await underWay(mesh, runId);
          return { runId, postId };
        }),
      );
      const { restarts } = await mesh.process(victim);
      await mesh.kill(victim);
      // While it is away: a start and an answer wait until the engine is back.
      const [late] = await Promise.all([moderate(mesh, `post-late-${victim}`, calmText), approve(mesh, waiting)]);

      await expectOnce(mesh, waiting.runId, `post-waiting-${victim}`, 1);
      for (const { runId, postId } of busy) await expectOnce(mesh, runId, postId, 0);
      await expectOnce(mesh, late, `post-late-${victim}`, 0);
      expect((await mesh.process(victim)).restarts).toBe(restarts + 1);
      await mesh.allReady();
    },
  );
});

describe.skipIf(!isWanted)('another engine on the same data', () => {
  it('takes over the open runs, there and back', { timeout: 3 * patienceMs }, async () => {
    const data = join(folder, 'data');
    const left = [
      await leaveOpen(data, 'embedded', ['--engine', 'embedded']),
      await leaveOpen(data, 'dapr', dapr),
      await leaveOpen(data, 'back', ['--engine', 'embedded']),
    ];
    await using mesh = await startOn(data, dapr);
    await expectAllOnce(mesh, left);
    expect(
      readdirSync(join(data, 'coordinator')).filter((name) => /^engine\.db\.[^.]+\.\d+Z$/.test(name)),
    ).toHaveLength(2);
  });

  it('takes them over from and to PostgreSQL', { timeout: 3 * patienceMs }, async (context) => {
    if (isWanted && process.env['CI'] && !hasPostgres()) throw new Error(howToGetPostgres);
    context.skip(!hasPostgres(), howToGetPostgres);
    using postgres = await startPostgres();
    const inPostgres = { MESH_DAPR_STATE: postgres.url };
    const data = join(folder, 'data');
    const left = [await leaveOpen(data, 'postgres', dapr, inPostgres), await leaveOpen(data, 'sqlite', dapr)];
    await using mesh = await startOn(data, dapr, inPostgres);
    await mesh.kill('daprd');
    await expectAllOnce(mesh, left);

    expect(readdirSync(join(data, 'dapr'))).not.toContain('state.db');
    expect(execFileSync('ps', ['-ww', '-eo', 'args'], { encoding: 'utf8' })).not.toContain(postgres.password);
    expect(logsWith(data, postgres.password)).toEqual([]);
    const { pid } = await mesh.process('records');
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain(postgres.password);
  });
});
