import { describe, expect, it } from 'vitest';
import { parseAnswer, parseEventAnswer } from './answers.ts';
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

describe('an answer as an event', () => {
  const approval = open({ actions: ['approve', 'reject', 'edit'] });

  it.each([
    [{ approved: true }, { answer: { action: 'approve' } }],
    [{ approved: false, reason: 'too much' }, { answer: { action: 'reject', reason: 'too much' } }],
    [
      { approved: true, by: 'ann' },
      { answer: { action: 'approve' }, by: 'ann' },
    ],
    [
      { action: 'reject', reason: 'no', by: 'ann' },
      { answer: { action: 'reject', reason: 'no' }, by: 'ann' },
    ],
    [{ action: 'edit', value: { amount: 5 } }, { answer: { action: 'edit', value: { amount: 5 } } }],
  ])('reads %j', (payload, read) => {
    expect(parseEventAnswer(approval, payload)).toEqual(read);
  });

  it.each([
    [null],
    [true],
    ['approve'],
    [[{ approved: true }]],
    [{}],
    [{ approved: 'true' }],
    [{ approved: 1 }],
    [{ approved: true, action: 'approve' }],
    [{ approved: true, extra: 1 }],
    [{ approved: true, value: 1 }],
    [{ approved: true, by: '' }],
    [{ approved: true, by: 'x'.repeat(201) }],
    [{ approved: true, reason: 'x'.repeat(10_001) }],
    [{ action: 'shrug' }],
    [{ action: 'approve', questionId: 'run-q1' }],
    [{ action: 'approve', reason: 5 }],
  ])('refuses %j where no answer is taken', (payload) => {
    expect(() => parseEventAnswer(approval, payload)).toThrowError(
      expect.objectContaining({
        code: 'ANSWER_INVALID',
        details: { questionId: 'run-q1', violations: [{ path: 'payload', message: expect.any(String) }] },
      }),
    );
  });

  it('is a value where only an answer is taken, whatever it looks like', () => {
    for (const payload of [5, { approved: true }, { action: 'approve' }]) {
      const answer = { action: 'answer', value: payload };
      expect(parseEventAnswer(open({ actions: ['answer'] }), payload)).toEqual({ answer });
    }
    expect(parseEventAnswer(open({ actions: ['answer'] }), null)).toEqual({ answer: { action: 'answer' } });
  });

  it('decides, and else is a value, where both are taken', () => {
    const both = open({ actions: ['approve', 'answer'] });
    expect(parseEventAnswer(both, { approved: true }).answer).toEqual({ action: 'approve' });
    expect(parseEventAnswer(both, { approved: 'so so' }).answer).toEqual({
      action: 'answer',
      value: { approved: 'so so' },
    });
  });
});
