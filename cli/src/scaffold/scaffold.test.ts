import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planAgent } from './agent.ts';
import { ChangeSet, insertSorted } from './change-set.ts';
import { parseName, toVariableName } from './names.ts';
import { planWorkflow } from './workflow.ts';

const root = join(import.meta.dirname, '../../..');

/** The fenced blocks of a document whose line before says which file they show. */
function shownFiles(document: string): [path: string, text: string][] {
  const text = readFileSync(join(root, 'docs', document), 'utf8');
  return [...text.matchAll(/^`([\w/.-]+)`:\n\n```ts\n([\s\S]*?)^```$/gm)].map(([, path = '', code = '']) => [
    path,
    code,
  ]);
}

describe('the documents for authors', () => {
  it.each([
    ['write-an-agent.md', 3, planAgent(root, { name: 'word-counter', skill: 'count-words' })],
    ['write-a-workflow.md', 1, planWorkflow(root, 'reviewed-keywords')],
  ] as const)('%s shows what "mesh new" writes, in less than 40 lines of code', (document, count, plan) => {
    const shown = shownFiles(document);
    expect(shown).toHaveLength(count);
    for (const [path, text] of shown) expect({ path, text }).toEqual({ path, text: plan.textOf(path) });
    const lines = shown.flatMap(([, text]) => text.trim().split('\n'));
    expect(lines.length).toBeLessThan(40);
  });
});

describe('names', () => {
  it.each(['', 'Upper', 'a_b', '-a', 'a-', 'a--b', '1a', '../x', 'a/b', 'a.b', 'class', 'x'.repeat(41)])(
    'refuses %j',
    (name) => expect(() => parseName(name)).toThrow('lower-case words'),
  );

  it('makes a variable of a name', () => expect(toVariableName(parseName('count-all-2-words'))).toBe('countAll2Words'));
});

describe('a change set', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mesh-new-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('overwrites nothing', () => {
    expect(() => planAgent(root, { name: 'writer', skill: 'count-words' })).toThrow(
      'peers/writer/README.md is there already',
    );
    expect(() => planAgent(root, { name: 'word-counter', skill: 'write' })).toThrow('skills/write.ts is there already');
    expect(() => planWorkflow(root, 'content-pipeline')).toThrow('content-pipeline.ts is there already');
  });

  it('says where it is not in a workspace, and writes nothing there', () => {
    expect(() => planWorkflow(folder, 'any')).toThrow('is this the workspace of a mesh?');
  });

  it('takes back what is new where a part cannot be written', () => {
    const plan = new ChangeSet(folder, {});
    plan.put('new.txt', 'new');
    plan.put('new.txt/below', 'a file is no folder');
    expect(() => plan.write()).toThrow('EEXIST');
    expect(() => readFileSync(join(folder, 'new.txt'))).toThrow('ENOENT');
  });

  it('puts a line among those like it', () => {
    const lines = 'top\nimport a\nimport c\nend';
    expect(insertSorted(lines, 'import b', /^import/)).toBe('top\nimport a\nimport b\nimport c\nend');
    expect(insertSorted(lines, 'import d', /^import/)).toBe('top\nimport a\nimport c\nimport d\nend');
    expect(() => insertSorted(lines, 'x', /^nowhere/)).toThrow('no place');
  });
});
