import { expect, it } from 'vitest';
import { contentPipeline } from '../../workflows/content-pipeline.ts';
import { contentModeration } from '../../workflows/content-moderation.ts';
import { testWorkflow } from './index.ts';

const agents = {
  'extract-keywords': () => ({ keywords: [{ term: 'mesh', score: 1 }], language: 'en' as const }),
  write: ({ keywords }: { keywords: string[] }) => ({ title: keywords.join(), text: '# Mesh', model: 'offline' }),
  format: ({ text }: { text: string }) => ({ content: `<p>${text}</p>`, mediaType: 'text/html' as const }),
};

const score = (value: number) => () => ({ score: value, reasons: [], evidence: [], model: 'offline' });

it('hands each step the result of the one before', async () => {
  const run = await testWorkflow(contentPipeline, { input: { text: 'about a mesh', format: 'html' }, agents });
  expect(run.output).toMatchObject({ content: '<p># Mesh</p>', keywords: ['mesh'], title: 'mesh' });
  expect(run.calls.map(({ to }) => to)).toEqual(['extract-keywords', 'write', 'format']);
});

it('rejects a post when nobody decides in a day', async () => {
  const run = await testWorkflow(contentModeration, {
    input: { text: 'You are an idiot.', postId: 'p', author: 'mallory' },
    agents: {
      'save-post': () => ({ postId: 'p', status: 'pending' as const, created: true }),
      'score-toxicity': score(0.9),
      'score-spam': score(0),
      'score-violence': score(0),
      'set-post-status': () => ({ postId: 'p', status: 'rejected' as const, previous: 'pending' as const }),
      'append-audit': () => ({ postId: 'p', auditId: 'a' }),
    },
  });
  expect(run.openQuestions).toMatchObject([{ assignee: 'moderator', actions: ['approve', 'reject', 'edit'] }]);
  await run.advance('24h');
  expect(run.output).toMatchObject({ decision: 'rejected', decidedBy: 'policy' });
});
