import { describe, expect, it } from 'vitest';
import { completed, failed, type Script } from '../workflow-kit/testing/scripted-activities.ts';
import { runId, startRun } from '../workflow-kit/testing/start-run.ts';
import { contentPipeline } from './content-pipeline.ts';

const agents: NonNullable<Script['agents']> = {
  'extract-keywords': () =>
    completed({
      keywords: [
        { term: 'mesh', score: 1 },
        { term: 'agents', score: 0.5 },
      ],
      language: 'en',
    }),
  write: () => ({ later: completed({ title: 'Mesh', text: '# Mesh', model: 'offline' }) }),
  format: () => completed({ content: '<h1>Mesh</h1>', mediaType: 'text/html' }),
};

describe('content-pipeline', () => {
  it('hands each step the result of the one before', async () => {
    const { engine, activities } = startRun(contentPipeline, { text: 'about a mesh', format: 'html' }, { agents });
    await engine.settle();
    expect(activities.sent.map(({ target, input }) => [target.skill, input])).toEqual([
      ['extract-keywords', { text: 'about a mesh' }],
      ['write', { keywords: ['mesh', 'agents'] }],
      ['format', { title: 'Mesh', text: '# Mesh', as: 'html' }],
    ]);
    expect(activities.end).toEqual({
      status: 'completed',
      output: {
        content: '<h1>Mesh</h1>',
        mediaType: 'text/html',
        keywords: ['mesh', 'agents'],
        title: 'Mesh',
        model: 'offline',
      },
    });
  });

  it('formats the text itself where a person chose to skip the draft', async () => {
    const { engine, activities } = startRun(
      contentPipeline,
      { text: 'about a mesh' },
      {
        agents: { ...agents, write: () => failed('no model', false) },
        onAsk: () => ({ status: 'answered', answer: { action: 'answer', value: { choice: 'skip' } }, by: 'me' }),
      },
    );
    await engine.settle();
    expect(activities.sent.at(-1)?.input).toEqual({ text: 'about a mesh', as: 'markdown' });
    expect(activities.end).toMatchObject({ status: 'completed', output: { title: null, model: null } });
  });

  it('logs what ended it without a result', async () => {
    const logged = completed({ errorId: '1' });
    const { engine, activities } = startRun(
      contentPipeline,
      { text: 'x' },
      { agents: { ...agents, format: () => failed('no paper', false), 'log-error': () => logged } },
    );
    await engine.settle();
    expect(activities.sent.at(-1)).toMatchObject({
      target: { skill: 'log-error' },
      input: { workflow: 'content-pipeline', code: 'PEER_FAILED', message: expect.stringContaining('no paper') },
    });
    expect(activities.end).toMatchObject({ status: 'failed', undone: ['error log'] });
  });

  it('is no error where a person cancels it', async () => {
    const { engine, activities } = startRun(
      contentPipeline,
      { text: 'x' },
      { agents: { ...agents, write: () => 'open' } },
    );
    await engine.settle();
    activities.raise(runId, 'cancel', { reason: 'not needed' });
    await engine.settle();
    expect(activities.sent.map(({ target }) => target.skill)).not.toContain('log-error');
    expect(activities.end).toMatchObject({ status: 'canceled' });
  });

  it('tries the writer four times before it asks', async () => {
    const { engine, activities } = startRun(
      contentPipeline,
      { text: 'x' },
      { agents: { ...agents, write: () => failed('busy') } },
    );
    await engine.settle();
    expect(activities.sent.filter((call) => call.target.skill === 'write')).toHaveLength(4);
    expect(activities.openQuestions).toHaveLength(1);
  });

  it('tries the writer four times more when a person says so, and asks again', async () => {
    const answers = [
      { status: 'answered' as const, answer: { action: 'answer' as const, value: { choice: 'retry' } }, by: 'me' },
    ];
    const { engine, activities } = startRun(
      contentPipeline,
      { text: 'x' },
      { agents: { ...agents, write: () => failed('busy') }, onAsk: () => answers.pop() },
    );
    await engine.settle();
    expect(activities.sent.filter((call) => call.target.skill === 'write')).toHaveLength(8);
    expect(activities.openQuestions).toHaveLength(1);
  });

  it('writes about the text itself where it has no keywords', async () => {
    const { engine, activities } = startRun(
      contentPipeline,
      { text: 'the of' },
      {
        agents: { ...agents, 'extract-keywords': () => completed({ keywords: [], language: 'en' }) },
      },
    );
    await engine.settle();
    expect(activities.sent[1]?.input).toEqual({ keywords: ['the of'] });
  });
});
