import { type Part, type Task, TaskState } from '@a2a-js/sdk';
import { describe, expect, it } from 'vitest';
import { extensionUris } from '../extensions.ts';
import { agentMessage, artifact, dataPart, textPart } from '../parts.ts';
import { taskError, taskQuestion, taskResult } from './index.ts';

const task = (state: TaskState, fields: { parts?: Part[]; metadata?: Record<string, unknown> } = {}): Task => ({
  id: 't1',
  contextId: 'c1',
  status: {
    state,
    timestamp: undefined,
    message:
      fields.parts &&
      agentMessage({ messageId: 'm1', parts: fields.parts, ...(fields.metadata ? { metadata: fields.metadata } : {}) }),
  },
  artifacts: [],
  history: [],
  metadata: undefined,
});

describe('taskResult', () => {
  it('is the data of the last artifact that has any', () => {
    const done = task(TaskState.TASK_STATE_COMPLETED);
    const draft = artifact({ parts: [textPart('a draft')] });
    expect(taskResult(done)).toBeUndefined();
    expect(taskResult({ ...done, artifacts: [draft] })).toBe('a draft');
    const result = artifact({ parts: [dataPart({ n: 0 }), textPart('zero')] });
    expect(taskResult({ ...done, artifacts: [draft, result] })).toEqual({ n: 0 });
    expect(taskResult({ ...done, artifacts: [result, draft] })).toEqual({ n: 0 });
  });

  it('is nothing for a task that did not complete', () => {
    const artifacts = [artifact({ parts: [dataPart({ n: 1 })] })];
    for (const state of [TaskState.TASK_STATE_WORKING, TaskState.TASK_STATE_FAILED, TaskState.TASK_STATE_CANCELED]) {
      expect(taskResult({ ...task(state), artifacts })).toBeUndefined();
    }
  });
});

describe('taskQuestion', () => {
  const question = { id: 'q1', prompt: 'Publish?', actions: ['approve', 'reject'] };

  it('reads the question from the extension or from the data part', () => {
    const expected = { ...question, path: [] };
    const metadata = { [extensionUris.question]: question };
    expect(taskQuestion(task(TaskState.TASK_STATE_INPUT_REQUIRED, { parts: [textPart('?')], metadata }))).toEqual(
      expected,
    );
    expect(
      taskQuestion(task(TaskState.TASK_STATE_INPUT_REQUIRED, { parts: [textPart('?'), dataPart(question)] })),
    ).toEqual(expected);
  });

  it('makes one of plain text, the same each time', () => {
    const asked = task(TaskState.TASK_STATE_AUTH_REQUIRED, { parts: [textPart('Log in, please')] });
    expect(taskQuestion(asked)).toEqual(taskQuestion(structuredClone(asked)));
    expect(taskQuestion(asked)).toMatchObject({ prompt: 'Log in, please', actions: ['answer'] });
  });

  it('is nothing for a task that waits for nobody', () => {
    expect(taskQuestion(task(TaskState.TASK_STATE_WORKING, { parts: [dataPart(question)] }))).toBeUndefined();
  });
});

describe('taskError', () => {
  it('keeps the agent’s code and whether it may be retried', () => {
    const parts = [
      textPart('busy'),
      dataPart({ error: { code: 'UNAVAILABLE', message: 'the model is busy', retryable: true } }),
    ];
    expect(taskError(task(TaskState.TASK_STATE_FAILED, { parts }))).toMatchObject({
      code: 'PEER_FAILED',
      message: 'the model is busy',
      retryable: true,
      details: { code: 'UNAVAILABLE', taskId: 't1' },
    });
  });

  it('tells rejected, canceled and failed apart, also without a word from the agent', () => {
    expect(taskError(task(TaskState.TASK_STATE_REJECTED))?.code).toBe('PEER_REJECTED');
    expect(taskError(task(TaskState.TASK_STATE_CANCELED))?.code).toBe('CANCELED');
    expect(taskError(task(TaskState.TASK_STATE_FAILED))?.code).toBe('PEER_FAILED');
    expect(taskError(task(TaskState.TASK_STATE_COMPLETED))).toBeUndefined();
  });
});
