import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withDifferenceTable } from './difference-table.ts';
import { differences } from './differences.ts';
import { rows } from './rows.ts';

const suite = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
  .join('\n');
const cited = (pattern: RegExp) =>
  [...new Set(Array.from(suite.matchAll(pattern), ([, id = '']) => id))].toSorted(byName);
const byName = (a: string, b: string) => a.localeCompare(b);

describe('the conformance suite', () => {
  it('tests every row', () => {
    expect(cited(/\brow\('([\w-]+)'/g)).toEqual(Object.keys(rows).toSorted(byName));
  });

  it('asserts every difference', () => {
    expect(cited(/\bdiffering\('([\w-]+)'/g)).toEqual(Object.keys(differences).toSorted(byName));
  });

  it('has its differences in docs/engine.md (write-difference-table.ts puts them there)', () => {
    const text = readFileSync(join(import.meta.dirname, '../../../docs/engine.md'), 'utf8');
    expect(text).toBe(withDifferenceTable(text));
  });
});
