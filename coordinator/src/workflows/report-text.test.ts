import { describe, expect, it } from 'vitest';
import { reportText } from './report-text.ts';

const collected = {
  sources: [
    { uri: 'table:orders', kind: 'table', mediaType: 'application/json', rows: [], truncated: true },
    { uri: 'file:a b`.md', kind: 'file', mediaType: 'text/markdown', text: '', truncated: false },
  ],
  problems: [{ source: 'file:x', code: 'NOT_FOUND', message: 'there is no <x>' }],
} satisfies Parameters<typeof reportText>[0];

const analysis = {
  title: 'Orders',
  summary: 'The *south* leads.\n\n# Not a heading',
  findings: [
    { statement: 'South | north', evidence: ['table:orders'], figures: [{ label: 'sum of amount', value: 91.5 }] },
  ],
  tables: [
    { caption: 'by region', columns: ['region', 'sum'], rows: [{ region: 'so|uth', sum: 91.5 }, { region: null }] },
  ],
  model: 'offline',
};

describe('reportText', () => {
  it('says what was found, on what it rests, and what is missing, with nothing of it taken for markup', () => {
    expect(reportText(collected, analysis)).toBe(
      [
        String.raw`The \*south\* leads. \# Not a heading`,
        '## Findings',
        `${String.raw`- South \| north`} (\`table:orders\`)\n  - sum of amount: **91.5**`,
        '### by region',
        `${String.raw`| region | sum |
| --- | --- |
| so\|uth | 91.5 |`}\n|  |  |`,
        '## Sources',
        '- `table:orders` (in part)\n- `file:a b .md`',
        '## Not read',
        String.raw`- ${'`'}file:x${'`'}: there is no \<x\>`,
        '*Figures are computed from the sources; worded by offline.*',
      ].join('\n\n'),
    );
  });

  it('tells of the sources where nobody analyzed them', () => {
    const text = reportText(collected, undefined);
    expect(text).toContain('Nobody analyzed');
    expect(text).toContain('`table:orders`');
    expect(text).not.toContain('Findings');
  });

  it('ends where the formatter would refuse more', () => {
    const findings = Array.from({ length: 2_000 }, () => ({ statement: 'x'.repeat(200), evidence: ['table:orders'] }));
    expect(reportText(collected, { ...analysis, findings })).toHaveLength(100_000);
  });
});
