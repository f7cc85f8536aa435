import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

  it.each(['logs', 'daprd', 'nats', 'mesh', 'protocol', 'sidecar', 'test'])(
    'gives no agent the name of something else: %s',
    (name) => expect(() => planAgent(root, { name, skill: 'count-words' })).toThrow('is there already'),
  );

  it.each(['z', 'skill', 'schemas', 'config', 'load-card', 'light', 'skill-schemas'])(
    'gives no skill the name of a variable beside it: %s',
    (skill) => expect(() => planAgent(root, { name: 'any', skill })).toThrow('choose another name'),
  );

  it.each(['z', 'define-workflow', 'workflows', 'it', 'completed', 'agents', 'start-run'])(
    'gives no workflow the name of a variable beside it: %s',
    (name) => expect(() => planWorkflow(root, name)).toThrow('choose another name'),
  );

  it('gives no workflow the name of one within another', () =>
    expect(() => planWorkflow(root, 'device-scene-set')).toThrow('in scene-device.ts'));

  it('takes names that only texts, comments and templates contain', () => {
    for (const name of ['skill-name', 'order', 'whoever']) expect(planAgent(root, { name, skill: name })).toBeDefined();
    for (const name of ['workflow-name', 'reviewed']) expect(planWorkflow(root, name)).toBeDefined();
  });

  it('says where it is not in a workspace, and writes nothing there', () => {
    expect(() => planWorkflow(folder, 'any')).toThrow('is this the workspace of a mesh?');
  });

  it('takes back everything where a part cannot be written', () => {
    writeFileSync(join(folder, 'old.txt'), 'old');
    const plan = new ChangeSet(folder, {});
    plan.cover('package');
    plan.put('package/src/new.txt', 'new');
    plan.edit('old.txt', (text) => `${text} and new`);
    plan.put('new.txt', 'new');
    plan.put('new.txt/below', 'a file is no folder');
    expect(() => plan.write()).toThrow('EEXIST');
    expect(readdirSync(folder)).toEqual(['old.txt']);
    expect(readFileSync(join(folder, 'old.txt'), 'utf8')).toBe('old');
  });

  it('takes back what others did after it was written', () => {
    writeFileSync(join(folder, 'lock.txt'), 'old');
    mkdirSync(join(folder, 'kept'), { recursive: true });
    const plan = new ChangeSet(folder, {});
    for (const path of ['lock.txt', 'made', 'kept']) plan.cover(path);
    plan.write();
    mkdirSync(join(folder, 'made/below'), { recursive: true });
    writeFileSync(join(folder, 'lock.txt'), 'new');
    plan.undo();
    expect(readdirSync(folder).sort()).toEqual(['kept', 'lock.txt', 'old.txt']);
    expect(readFileSync(join(folder, 'lock.txt'), 'utf8')).toBe('old');
  });

  it('puts a line among those like it', () => {
    const lines = 'top\nimport a\nimport c\nend';
    expect(insertSorted(lines, 'import b', /^import/)).toBe('top\nimport a\nimport b\nimport c\nend');
    expect(insertSorted(lines, 'import d', /^import/)).toBe('top\nimport a\nimport c\nimport d\nend');
    expect(() => insertSorted(lines, 'x', /^nowhere/)).toThrow('no place');
  });
});
