import { type CaseFacts, draftDiagnosis } from '@daca-mesh/agent-cards';
import { describe, expect, it } from 'vitest';
import { conditions } from './conditions.ts';
import { findingsOf } from './findings.ts';
import { matchFindings, urgencyOf } from './match-findings.ts';

const facts = (fields: Partial<CaseFacts>): CaseFacts =>
  draftDiagnosis.input.parse({ patient: {}, complaint: '-', symptoms: [], ...fields });
const read = (fields: Partial<CaseFacts>) => {
  const { present, absent } = findingsOf(facts(fields));
  return { present: [...present], absent: [...absent] };
};
const match = (fields: Partial<CaseFacts>) => matchFindings(findingsOf(facts(fields)));

describe('the findings of a case', () => {
  it.each([
    [{ complaint: 'Fever and a stiff neck since Monday' }, ['fever', 'neck-stiffness'], []],
    [{ complaint: 'Cough, no fever. Denies vomiting' }, ['cough'], ['fever', 'vomiting']],
    [{ complaint: 'A cough that is not better' }, ['cough'], []],
    [{ symptoms: [{ name: 'Shortness of breath' }] }, ['breathlessness'], []],
    [{ symptoms: [{ name: 'one-sided-headache', severity: 'none' }] }, [], ['one-sided-headache']],
    [{ measurements: { temperatureC: 39, oxygenPercent: 98 } }, ['fever'], ['low-oxygen']],
    [{ patient: { ageYears: 71, conditions: ['Asthma'] } }, ['aged-60-or-over', 'asthma'], ['diabetes']],
    [{ remarks: ['She has swollen tonsils'] }, ['swollen-tonsils'], []],
    [{ complaint: 'My toaster is broken' }, [], []],
  ] as [Partial<CaseFacts>, string[], string[]][])('reads %j', (fields, present, absent) => {
    expect(read(fields)).toEqual({ present, absent });
  });

  it('trusts a measurement more than words', () => {
    expect(read({ complaint: 'I have a fever', measurements: { temperatureC: 36.6 } })).toEqual({
      present: [],
      absent: ['fever'],
    });
  });
});

describe('the candidates for a case', () => {
  it('are ordered by confidence, with reasons and what speaks against them', () => {
    const candidates = match({
      complaint: 'Fever and cough',
      symptoms: [{ name: 'breathlessness' }, { name: 'muscle pain', severity: 'none' }],
      measurements: { temperatureC: 39.1 },
    });
    expect(candidates[0]).toMatchObject({
      condition: 'Pneumonia',
      reasons: ['Cough', 'Breathlessness', 'Fever'],
      against: [],
    });
    expect(candidates.find(({ condition }) => condition === 'Influenza')?.against).toEqual(['No muscle pain']);
    const confidences = candidates.map(({ confidence }) => confidence);
    expect(confidences).toEqual(confidences.toSorted((a, b) => b - a));
  });

  it('are none where nothing is known', () => {
    expect(match({ complaint: 'My toaster is broken' })).toEqual([]);
    expect(urgencyOf([])).toBe('soon');
  });

  it('are urgent as soon as a grave one is likely enough', () => {
    expect(urgencyOf(match({ complaint: 'sneezing, itchy eyes' }))).toBe('routine');
    expect(urgencyOf(match({ complaint: 'chest pain, jaw pain, cold sweat' }))).toBe('urgent');
  });

  it.each(conditions)('can be $name, by all of its findings, more surely than by all but one', ({ name, findings }) => {
    // The keys of this literal are findings by its type.
    const all = Object.keys(findings) as (keyof typeof findings)[];
    const confidence = (of: typeof all) =>
      matchFindings({ present: new Set(of), absent: new Set() }).find(({ condition }) => condition === name)
        ?.confidence ?? 0;
    expect(confidence(all)).toBeGreaterThan(0.5);
    expect(confidence(all)).toBeGreaterThan(confidence(all.slice(1)));
    expect(confidence(all)).toBeLessThan(1);
  });
});
