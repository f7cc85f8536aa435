import { describe, expect, it } from 'vitest';
import { parseAnswer } from './answers.ts';
import { dataPart, textPart, userMessage } from './parts.ts';
import type { Question } from './question.ts';

const open = (fields: Partial<Question> = {}): Question => ({
  id: 'run-q1',
  prompt: 'May I?',
  actions: ['approve', 'reject', 'edit', 'answer'],
  path: [],
  ...fields,
});
const text = (value: string) => userMessage({ parts: [textPart(value)] });
const data = (value: unknown) => userMessage({ parts: [dataPart(value)] });
const parse = (message: ReturnType<typeof text>, questions = [open()], hadEarlier = false) =>
  parseAnswer(message, { open: questions, hadEarlier }).answer;

describe('an answer as text', () => {
  it.each([
    ['approve', { action: 'approve' }],
    ['  Approve  ', { action: 'approve' }],
    ['approve run-q1', { action: 'approve', questionId: 'run-q1' }],
    ['reject', { action: 'reject' }],
    ['reject: too risky: really', { action: 'reject', reason: 'too risky: really' }],
    ['reject run-q1: too risky', { action: 'reject', questionId: 'run-q1', reason: 'too risky' }],
    ['approve everything', { action: 'answer', value: 'approve everything' }],
    ['rejected by nobody', { action: 'answer', value: 'rejected by nobody' }],
    ['tomorrow', { action: 'answer', value: 'tomorrow' }],
  ])('reads %j', (input, answer) => {
    expect(parse(text(input))).toEqual(answer);
  });

  it('takes an id of any form if such a question is open', () => {
    expect(parse(text('approve mine'), [open({ id: 'mine' })])).toEqual({ action: 'approve', questionId: 'mine' });
  });

  it('refuses text where the schema takes something else', () => {
    const question = open({ schema: { type: 'object' } });
    expect(() => parse(text('tomorrow'), [question])).toThrowError(
      expect.objectContaining({ code: 'ANSWER_INVALID', message: expect.stringContaining('must be object') }),
    );
  });
});

describe('an answer as data', () => {
  it('reads all fields', () => {
    const answer = { questionId: 'run-q1', action: 'edit', value: { text: 'x' }, reason: 'shorter' };
    expect(parse(data(answer))).toEqual(answer);
  });

  it.each([{ action: 'shrug' }, { value: 1 }, { action: 'approve', extra: true }, 'approve', ['approve']])(
    'refuses %j and says which forms there are',
    (value) => {
      expect(() => parse(data(value))).toThrowError(
        expect.objectContaining({
          code: 'ANSWER_INVALID',
          details: expect.objectContaining({ allowedForms: expect.any(Array) }),
        }),
      );
    },
  );

  it('names the path of a value that does not fit', () => {
    const question = open({ schema: { type: 'object', properties: { n: { type: 'number' } } } });
    expect(() => parse(data({ action: 'answer', value: { n: 'x' } }), [question])).toThrowError(
      expect.objectContaining({
        code: 'ANSWER_INVALID',
        details: expect.objectContaining({ violations: [{ path: 'value.n', message: 'must be number' }] }),
      }),
    );
  });

  it('refuses an action the question does not take', () => {
    expect(() => parse(text('hello'), [open({ actions: ['approve'] })])).toThrowError(
      expect.objectContaining({ code: 'ANSWER_INVALID' }),
    );
  });
});

describe('which question is answered', () => {
  it('is the one named, of several', () => {
    const { question } = parseAnswer(text('approve run-q2'), {
      open: [open(), open({ id: 'run-q2' })],
      hadEarlier: true,
    });
    expect(question.id).toBe('run-q2');
  });

  it.each(['approve', 'reject: no', 'hello'])('must be said when several are open: %j', (input) => {
    expect(() => parse(text(input), [open(), open({ id: 'run-q2' })])).toThrowError(
      expect.objectContaining({ code: 'QUESTION_ID_REQUIRED', details: { openQuestions: ['run-q1', 'run-q2'] } }),
    );
  });

  it('must be said by an approval once there was an earlier question, but not by a plain answer', () => {
    expect(() => parse(text('approve'), [open()], true)).toThrowError(
      expect.objectContaining({ code: 'QUESTION_ID_REQUIRED' }),
    );
    expect(parse(text('approve run-q1'), [open()], true)).toMatchObject({ action: 'approve' });
    expect(parse(text('tomorrow'), [open()], true)).toMatchObject({ action: 'answer' });
  });

  it('is refused when it is closed, or none is open', () => {
    const closed = expect.objectContaining({ code: 'QUESTION_CLOSED' });
    expect(() => parse(text('approve run-q0'))).toThrowError(closed);
    expect(() => parse(text('approve'), [])).toThrowError(closed);
  });
});
