import { describe, expect, it } from 'vitest';
import { type Labelled, ranges, spam, toxicity, violence } from '../../testing/corpus.ts';
import { scoreSpam } from './score-spam.ts';
import { scoreToxicity } from './score-toxicity.ts';
import { scoreViolence } from './score-violence.ts';

const moderators = [
  ['score-toxicity', scoreToxicity, toxicity],
  ['score-spam', scoreSpam, spam],
  ['score-violence', scoreViolence, violence],
] as const;

const everything: readonly Labelled[] = [...toxicity, ...spam, ...violence];

describe.each(moderators)('%s', (_skill, moderate, corpus) => {
  it.each(corpus)('finds %s: %s', (label, text) => {
    const { score } = moderate({ text });
    const [low, high] = ranges[label];
    expect(score).toBeGreaterThanOrEqual(low);
    expect(score).toBeLessThanOrEqual(high);
  });

  it('shows evidence that indexes the text as received', () => {
    const shown = everything.flatMap(([, text]) => moderate({ text }).evidence.map((evidence) => ({ text, evidence })));
    expect(shown.length).toBeGreaterThan(15);
    for (const { text, evidence } of shown) {
      const { start, end, quote } = evidence;
      expect(text.slice(start, end)).toBe(quote);
      expect(quote).not.toBe('');
    }
  });

  it('explains every score that is not that of a clean text', () => {
    const clean = moderate({ text: 'Good morning.' });
    expect(clean).toMatchObject({ evidence: [], reasons: [expect.stringMatching(/^No/u)] });
    for (const [, text] of everything) {
      const { score, evidence, reasons } = moderate({ text });
      expect(evidence.length > 0).toBe(score !== clean.score);
      expect(reasons.length).toBeGreaterThan(0);
    }
  });

  it('scores as the evidence says: bias and weights, through the logistic function', () => {
    const bias = Math.log(moderate({ text: 'x' }).score / (1 - moderate({ text: 'x' }).score));
    for (const [, text] of corpus) {
      const { score, evidence } = moderate({ text });
      const logit = evidence.reduce((sum, { weight }) => sum + weight, bias);
      expect(score).toBeCloseTo(1 / (1 + Math.exp(-logit)), 1);
    }
  });

  it('is not misled by letters that are harmless in other scripts', () => {
    expect(moderate({ text: 'Доброе утро, как дела? 東京は晴れです。' }).evidence).toEqual([]);
  });

  it.each([
    'you idiot ',
    'i will kill you ',
    'a b c d ',
    'a-',
    'a.a.a.',
    '"',
    '> x\n',
    '! ',
    '$5 ',
    'free ',
    '🔥',
    '*#',
    '|',
    'aé',
  ])('stays quick on a text of nothing but %j', (piece) => {
    const started = performance.now();
    const { score } = moderate({ text: piece.repeat(100_000 / piece.length) });
    expect(score).toBeLessThanOrEqual(1);
    // Square time took from half a minute up.
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe('what is meant and what is not', () => {
  it.each([
    ['You are an idiot.', 'You are not an idiot.', 'it is negated'],
    ['You are an idiot.', 'He called me "an idiot".', 'it is quoted'],
    ['You are an idiot.', 'My brother called me an idiot.', 'it is reported as said by somebody'],
    ['You are an idiot.', 'I am an idiot.', 'the author speaks about themselves'],
  ])('%s scores above %s, and says why', (meant, other, because) => {
    const assessment = scoreToxicity({ text: other });
    expect(scoreToxicity({ text: meant }).score).toBeGreaterThan(3 * assessment.score);
    expect(assessment.reasons[0]).toContain(because);
  });

  it('is not fooled by quotation marks around everything', () => {
    expect(scoreToxicity({ text: '"You are an idiot."' }).score).toBe(
      scoreToxicity({ text: 'You are an idiot.' }).score,
    );
  });

  it('says when a word was hidden', () => {
    const { evidence } = scoreToxicity({ text: 'You are an 1d-1-0-t... no: i_d_1_0_t, idi\u00adot' });
    expect(evidence.map(({ quote }) => quote)).toEqual(['i_d_1_0_t', 'idi\u00adot']);
    expect(evidence[0]?.reason).toContain('spelled to get past filters');
  });

  it('weighs a person addressed more than one spoken of, and that more than nobody', () => {
    const scores = ['You moron', 'He is a moron', 'What is a moron'].map((text) => scoreToxicity({ text }).score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    expect(new Set(scores).size).toBe(3);
  });
});
