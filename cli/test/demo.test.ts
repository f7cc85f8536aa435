import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Question } from '../src/mesh-api.ts';
import { runMesh, startMesh } from './mesh-command.ts';

/** The shipped agents and workflows, as processes; slow machines need their time. */
const limitMs = 90_000;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mesh-demo-test-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('mesh demo', () => {
  it(
    'runs every shipped workflow in a mesh of its own, finds the outcome right, and leaves nothing behind',
    async () => {
      const { exitCode, stdout, stderr } = await runMesh(['demo', '--auto', '--json'], {
        cwd: folder,
        env: { TMPDIR: folder },
      });
      const results = stdout
        .trim()
        .split('\n')
        .map((line): unknown => JSON.parse(line));
      expect({ exitCode, results, stderr }).toMatchObject({
        exitCode: 0,
        results: [
          { workflow: 'content-pipeline', variant: 'published', status: 'completed', ok: true, problems: [] },
          { workflow: 'device-scene', status: 'completed', ok: true, output: { status: 'all-set' } },
          { workflow: 'health-monitor', status: 'completed', ok: true },
          { workflow: 'content-moderation', status: 'completed', ok: true, output: { decision: 'approved' } },
          { workflow: 'report', status: 'completed', ok: true },
          { workflow: 'purchase-order', status: 'completed', ok: true, output: { status: 'confirmed' } },
          { workflow: 'diagnosis-review', status: 'completed', ok: true, output: { status: 'approved' } },
          { workflow: 'device-repair', status: 'completed', ok: true, output: { status: 'repaired' } },
        ],
      });
      expect((await readdir(folder)).filter((name) => name.startsWith('mesh-'))).toEqual([]);
    },
    limitMs,
  );
});

describe('mesh demo --engine', () => {
  it('is about a mesh of its own, so that none can be named', async () => {
    const { exitCode, stderr } = await runMesh(['demo', '--engine', 'dapr', '--data', 'x'], { cwd: folder });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('mesh of its own') });
  });
});

describe('mesh up --demo', () => {
  it(
    'stops at the question, which the printed command answers; mesh show tells the whole story',
    async () => {
      const only = 'coordinator,moderator-toxicity,moderator-spam,moderator-violence,records';
      const args = ['--only', only, '--port', '0', '--json', '--data', 'data'];
      const up = startMesh(['up', '--demo', ...args], { cwd: folder });
      try {
        const asked = await up.jsonLine(({ type }) => type === 'question' || type === 'demo-failed');
        // As printed by `mesh up --demo --json`.
        const { question, command } = asked as { question: Question; command: string };
        const [npx, mesh, ...args] = command.split(' ');
        expect([npx, mesh]).toEqual(['npx', 'mesh']);
        expect(await runMesh([...args, '--by', 'alice'], { cwd: folder })).toMatchObject({ exitCode: 0 });
        const shown = await runMesh(['show', question.runId, '--follow', '--data', 'data'], { cwd: folder });
        expect(shown.exitCode).toBe(0);
        for (const agent of ['toxicity', 'spam', 'violence']) {
          expect(shown.stdout).toMatch(
            new RegExp(String.raw`^moderator-${agent} +score-${agent} +1 .* completed$`, 'm'),
          );
        }
        expect(shown.stdout).toContain(`question "${question.prompt.slice(0, 40)}`);
        expect(shown.stdout).toMatch(/^answered +approve by alice$/m);
        expect(shown.stdout).toMatch(/^records +append-audit +1 .* completed$/m);
        expect(shown.stdout).toMatch(/^completed after .*"decision":"approved"/m);
        const late = await runMesh(['answer', question.id, '--reject', 'no', '--data', 'data'], { cwd: folder });
        expect(late).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('alice') });
      } finally {
        up.child.kill('SIGINT');
        await up.finished;
      }
    },
    limitMs,
  );
});
