import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

const refused: readonly [what: string, body: string, message: string][] = [
  ['Date.now()', 'const now = Date.now();', 'no Date'],
  ['new Date()', 'const now = new Date();', 'no Date'],
  ['performance.now()', 'performance.now();', 'no performance'],
  ['Math.random()', 'Math.random();', 'no Math.random()'],
  ["Math['random']", "Math['random']();", 'no Math.random()'],
  ['random taken out of Math', 'const { random } = Math;', 'no Math.random()'],
  ['crypto', 'crypto.randomUUID();', 'no crypto'],
  ['fetch', "void fetch('http://example.com');", 'no fetch'],
  ['setTimeout', 'setTimeout(() => {}, 1);', 'no setTimeout'],
  ['process.env', "const level = process.env['LEVEL'];", 'no process'],
  ['console', "console.log('here');", 'no console'],
  ['globalThis', 'globalThis.fetch;', 'no globalThis'],
  ['await', 'await mesh;', 'use yield*'],
  ['a computed import', 'import(input);', 'no import'],
];
const sources = [
  'node:fs',
  'fs',
  'node:crypto',
  '@dapr/dapr',
  'pino',
  'undici',
  '../engine/engine.ts',
  '../store/schema.ts',
  '../workflow-kit/testing/index.ts',
];

const workflow = (body: string, imports = '') => `${imports}
  import { defineWorkflow, type Mesh } from '../workflow-kit/workflow.ts';
  export const workflow = defineWorkflow({ name: 'w', async *run(mesh: Mesh, input: Input) { ${body} } });`;

const texts = {
  ...Object.fromEntries(refused.map(([, body], index) => [`refused-${index}`, workflow(body)])),
  ...Object.fromEntries(sources.map((source, n) => [`value-${n}`, workflow('', `import * as it from '${source}';`)])),
  ...Object.fromEntries(
    sources.map((source, n) => [`type-${n}`, workflow('', `import type * as it from '${source}';`)]),
  ),
  computes: workflow(
    `const at: Date = mesh.now();
     const Promise = Math.max(1, JSON.parse('2'));
     return { at, Promise, id: mesh.uuid(), text: yield* mesh.call({ skill: 'write' }, input) };`,
    "import { z } from 'zod'; import { format } from '@daca-mesh/agent-cards';",
  ),
  other: "import { readFileSync } from 'node:fs'; export const now = readFileSync(String(Date.now()));",
};

/** What the rule says about files, by name, with the configuration of this repository. */
function lint(files: readonly string[]): Map<string, string[]> {
  const oxlint = join(root, 'node_modules/oxlint/bin/oxlint');
  const args = [oxlint, '--config', join(root, '.oxlintrc.json'), '--format', 'json', ...files];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  if (!stdout.startsWith('{')) throw new Error(stderr + stdout);
  // The report of oxlint.
  const report = JSON.parse(stdout) as { diagnostics: { code: string; message: string; filename: string }[] };
  const messages = new Map<string, string[]>();
  for (const { code, message, filename } of report.diagnostics) {
    const name = basename(filename, '.ts');
    if (code === 'mesh(workflow-code)') messages.set(name, [...(messages.get(name) ?? []), message]);
  }
  return messages;
}

/** All texts at once: starting the linter takes longer than linting. */
function lintTexts(): Map<string, string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'workflow-code-'));
  try {
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(folder, `${name}.ts`), text);
    return lint([folder]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the rule for workflow code', () => {
  const messages = lintTexts();

  it.each(refused.map(([what, , message], index) => [what, `refused-${index}`, message] as const))(
    'refuses %s',
    (_what, name, message) => {
      expect(messages.get(name)).toEqual([expect.stringContaining(message)]);
    },
  );

  it.each(sources.map((source, index) => [source, index] as const))(
    'refuses to import %s, and lets its types be imported',
    (source, index) => {
      expect(messages.get(`value-${index}`)).toEqual([expect.stringContaining(`no import of '${source}'`)]);
      expect(messages.get(`type-${index}`)).toBeUndefined();
    },
  );

  it('lets workflow code compute', () => {
    expect(messages.get('computes')).toBeUndefined();
  });

  it('leaves other code alone', () => {
    expect(messages.get('other')).toBeUndefined();
  });

  it('accepts the workflows that ship', () => {
    expect(lint(['coordinator/src/workflows', 'coordinator/test/fixtures'])).toEqual(new Map());
  });
});
