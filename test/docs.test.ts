import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What documents say about files of this repository. */

const root = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const trimmedLines = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
    .trim();

describe('docs/patterns.md', () => {
  const shown = [...read('docs/patterns.md').matchAll(/^`([\w/.-]+)`:\n\n```ts\n([\s\S]*?)^```$/gm)];

  it.each(shown.map(([, path = '', code = '']) => [path, code]))('shows %s as it is', (path, code) => {
    const source = trimmedLines(read(path));
    for (const piece of code.split('// …')) expect(source).toContain(trimmedLines(piece));
  });

  it('shows every pattern', () => {
    expect(shown.map(([, path]) => path)).toEqual(
      [
        'content-pipeline',
        'device-scene',
        'report',
        'health-monitor',
        'purchase-order',
        'diagnosis-review',
        'device-repair',
      ].map((name) => `coordinator/src/workflows/${name}.ts`),
    );
  });
});

describe('links between documents', () => {
  const documents = ['README.md', 'coordinator/README.md', ...globSync('docs/*.md', { cwd: root })];

  it.each(documents)('of %s lead somewhere', (path) => {
    const targets = [...read(path).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = '']) => target);
    for (const target of targets) expect(() => readFileSync(resolve(root, path, '..', target))).not.toThrow(/ENOENT/);
  });
});

describe('the commands of "mesh"', () => {
  const sources = globSync('cli/src/commands/*.ts', { cwd: root }).map(read).join('\n');
  const added = sources.matchAll(/\badd\w*Command\(\s*program,\s*'([\w-]+)'|program\.command\('([\w-]+)'\)/g);
  const names = [...Array.from(added, ([, own, group]) => own ?? group ?? ''), 'cancel', 'suspend', 'resume'];

  it.each(['README.md', 'docs/cli.md'])('are all in %s', (path) => {
    expect(names.length).toBeGreaterThan(20);
    const document = read(path);
    expect(names.filter((name) => !new RegExp(`\`${name}\\b`).test(document))).toEqual([]);
  });
});

describe('docs/operations.md', () => {
  const settings = globSync('{protocol,coordinator}/src/**/{*-config,config,event-settings}.ts', { cwd: root });
  const names = new Set(settings.flatMap((path) => read(path).match(/^ {2}[A-Z]+_[A-Z_]+(?=:)/gm) ?? []));

  it('names every setting', () => {
    expect(names.size).toBeGreaterThan(20);
    const document = read('docs/operations.md');
    expect([...names].map((name) => name.trim()).filter((name) => !document.includes(`\`${name}\``))).toEqual([]);
  });

  it.each(globSync('peers/*', { cwd: root }))('leaves those of %s alone to its README', (peer) => {
    const own = read(`${peer}/src/config.ts`).match(/^ {2}[A-Z]+_[A-Z_]+(?=:)/gm) ?? [];
    const documents = read(`${peer}/README.md`) + read('docs/operations.md');
    expect(own.map((name) => name.trim()).filter((name) => !documents.includes(`\`${name}\``))).toEqual([]);
  });
});
