import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What keeps the SDK's unsafe primitives out of everything but the one file that uses each safely. */

const root = join(import.meta.dirname, '..');
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)));

/** Code without its comments, which may well name what they warn of. */
const code = new Map(
  files.map((file) => [file, readFileSync(join(root, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')]),
);
const filesWith = (pattern: RegExp): string[] => files.filter((file) => pattern.test(code.get(file) ?? '')).sort();

describe('the primitives of the SDK', () => {
  it('are looked for where they are', () => {
    expect(files.length).toBeGreaterThan(80);
    expect(filesWith(/class DaprOrchestration/)).toEqual(['engine/dapr-orchestration.ts']);
  });

  it.each([
    ['whenAll: it fails when a branch ends after a failed one, and never completes for none', /\bwhenAll\b/],
    ['suspend: two of them and an event poison the worker', /\bsuspend(?:Workflow|Instance|Orchestration)\b/],
    ['the state of an instance: the SDK throws for the newer statuses', /\bgetWorkflowState\b/],
    ['waiting for an instance: the SDK sets no deadline', /\bwaitForWorkflow(?:Start|Completion)\b/],
    ['the deprecated way to start a child', /\bcallSubWorkflow\b/],
  ])('nothing uses %s', (_what, pattern) => {
    expect(filesWith(pattern)).toEqual([]);
  });

  it.each([
    ['whenAny', 'composites do not nest'],
    ['waitForExternalEvent', 'a waiter that is forgotten swallows an event'],
    ['callActivity', 'falsy inputs are lost'],
    ['createTimer', 'it is a leaf like any other'],
    ['callChildWorkflow', 'the ids it makes up repeat'],
    ['setCustomStatus', 'one that is no string is lost'],
  ])('%s is used in one place: %s', (name) => {
    expect(filesWith(new RegExp(`\\.${name}\\(`))).toEqual(['engine/dapr-orchestration.ts']);
    expect(code.get('engine/dapr-orchestration.ts')?.match(new RegExp(`\\.${name}\\(`, 'g'))).toHaveLength(1);
  });

  it('are behind one door', () => {
    expect(filesWith(/from '@dapr\/dapr/)).toEqual([
      'engine/sdk.ts',
      'engine/testing/task-hub.ts',
      'workflow-kit/testing/execute-turn.ts',
    ]);
  });

  it('have their private fields touched by files named for it only', () => {
    const touching = filesWith(/\._[a-z]\w+|Reflect\.get\(.*'_/).filter((file) => !file.includes('testing/'));
    expect(touching).toEqual([
      'engine/sdk-client.ts',
      'engine/sdk-context.ts',
      'engine/sdk-generation.ts',
      'engine/sdk-worker.ts',
    ]);
  });
});
