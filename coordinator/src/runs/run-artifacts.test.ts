import { describe, expect, it } from 'vitest';
import { artifactsOf, documentOf } from './run-artifacts.ts';

describe('documentOf', () => {
  it.each([
    ['../../etc/passwd', 'etc-passwd.html'],
    ['Überblick: "2025"\r\nX-Evil: 1', 'uberblick-2025-x-evil-1.html'],
    ['报告', 'report.html'],
    ['a'.repeat(59) + ' b c', `${'a'.repeat(59)}.html`],
    [null, 'report.html'],
  ])('names the file of %j as %s', (title, name) => {
    expect(documentOf('report', { content: '', mediaType: 'text/html', title })?.name).toBe(name);
  });

  it.each([
    null,
    'text',
    { content: 'x' },
    { content: 1, mediaType: 'text/html' },
    { content: 'x', mediaType: 'text/html\r\nX-Evil: 1' },
    { content: 'x', mediaType: 'html' },
  ])('is none in %j', (output) => {
    expect(documentOf('report', output)).toBeUndefined();
  });
});

it('gives the output itself beside the document, and nothing before there is one', () => {
  const output = { content: '# A', mediaType: 'text/markdown', title: 'A' };
  expect(artifactsOf({ workflow: 'report', output })).toEqual([
    { artifactId: 'content', name: 'a.md', mediaType: 'text/markdown', content: '# A' },
    {
      artifactId: 'result',
      name: 'report-result.json',
      mediaType: 'application/json',
      content: JSON.stringify(output),
    },
  ]);
  expect(artifactsOf({ workflow: 'report' })).toEqual([]);
});
