import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installChanges } from '../../scripts/bootstrap.mjs';

/**
 * `mesh new` in a copy of this workspace: what it makes passes its tests at once, and every other test that looks at all
 * agents or workflows. `CI=true` asks for it, since it installs a whole workspace.
 */

const root = resolve(import.meta.dirname, '../..');
const limitMs = 240_000;
const left = new Set(['node_modules', '.git', '.mesh']);

describe.skipIf(process.env['CI'] !== 'true')('mesh new', () => {
  let copy: string;
  beforeAll(async () => {
    copy = mkdtempSync(join(tmpdir(), 'mesh-new-'));
    cpSync(root, copy, { recursive: true, filter: (path) => !left.has(basename(path)) });
    if ((await installChanges(copy)) !== 0) throw new Error('the copy could not be installed');
  }, limitMs);
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
    return { status, output: `${stdout}\n${stderr}` };
  };
  const test = (...files: string[]) => run('node_modules/vitest/vitest.mjs', 'run', ...files);

  it('makes an agent that keeps the contract and has its place everywhere', { timeout: limitMs }, () => {
    const made = run('cli/src/main.ts', 'new', 'agent', 'word-counter', '--skill', 'count-words', '--json');
    expect(made).toMatchObject({ status: 0, output: expect.stringContaining('npm test -- peers/word-counter') });
    const files = ['peers/word-counter', 'test/safety.test.ts', 'agent-cards', 'test/compose'];
    expect(test(...files)).toMatchObject({ status: 0 });
    expect(run('cli/src/main.ts', 'new', 'agent', 'word-counter').status).toBe(4);
  });

  it('makes a workflow that passes its test and replays its recorded histories', { timeout: limitMs }, () => {
    const made = run('cli/src/main.ts', 'new', 'workflow', 'reviewed-keywords');
    expect(made).toMatchObject({ status: 0, output: expect.stringContaining('coordinator/histories') });
    const files = [
      'coordinator/src/workflows/reviewed-keywords',
      'coordinator/histories',
      'coordinator/src/coordinator-card',
    ];
    expect(test(...files)).toMatchObject({ status: 0 });
    expect(run('node_modules/typescript/bin/tsc', '--noEmit')).toMatchObject({ status: 0 });
    expect(run('node_modules/oxfmt/bin/oxfmt', '--check', '.')).toMatchObject({ status: 0 });
  });
});
