import { type CaseFacts, draftDiagnosis } from '@daca-mesh/agent-cards';
import { describe, expect, it } from 'vitest';
import { conditions } from './knowledge/conditions.ts';
import { answerSchema, missingFacts, toFact, withAnswer } from './missing-facts.ts';

const facts = (fields: Partial<CaseFacts>): CaseFacts =>
  draftDiagnosis.input.parse({ patient: { ageYears: 30 }, complaint: '-', symptoms: [], ...fields });
const keys = (fields: Partial<CaseFacts>) => missingFacts(facts(fields)).map(({ key }) => key);

describe('what is asked for', () => {
  it('is nothing where one condition is clearly ahead', () => {
    expect(keys({ complaint: 'sneezing, itchy eyes, runny nose' })).toEqual([]);
  });

  it('begins with the symptoms and the age', () => {
    expect(keys({ complaint: 'not well', patient: {} })).toEqual(['symptoms', 'ageYears']);
  });

  it('is what would tell the likeliest conditions apart, measurements as numbers, at most five facts', () => {
    const missing = keys({ complaint: 'cough' });
    expect(missing).toContain('muscle-pain');
    expect(missing).toContain('oxygenPercent');
    expect(missing.length).toBeLessThanOrEqual(5);
  });

  it('has a form for every finding of the table', () => {
    const asked = conditions.flatMap(({ findings }) =>
      Object.keys(findings).flatMap((finding) => keys({ symptoms: [{ name: finding }] })),
    );
    expect(asked.length).toBeGreaterThan(20);
    for (const key of asked) expect(toFact(key).label).not.toContain('undefined');
  });
});

describe('an answer', () => {
  it('becomes facts: symptoms there and not there, measurements, the patient, and what nobody can tell', () => {
    const before = facts({ complaint: 'headache', patient: {} });
    const after = withAnswer(before, {
      ageYears: 41,
      temperatureC: 38.6,
      'neck-stiffness': false,
      'light-sensitivity': true,
      'one-sided-headache': null,
    });
    expect(after).toEqual({
      ...before,
      patient: { ageYears: 41 },
      measurements: { temperatureC: 38.6 },
      symptoms: [{ name: 'neck-stiffness', severity: 'none' }, { name: 'light-sensitivity' }],
      unknown: ['one-sided-headache'],
    });
    expect(draftDiagnosis.input.parse(after)).toEqual(after);
    expect(before.symptoms).toEqual([]);
  });

  it('must tell every fact, in its form, and no other', () => {
    const schema = answerSchema(['ageYears', 'neck-stiffness'].map(toFact));
    expect(schema.safeParse({ ageYears: null, 'neck-stiffness': null }).success).toBe(true);
    for (const wrong of [
      {},
      { ageYears: 4 },
      { ageYears: -1, 'neck-stiffness': true },
      { ageYears: 4, 'neck-stiffness': true, x: 1 },
    ]) {
      expect(schema.safeParse(wrong).success).toBe(false);
    }
  });
});
