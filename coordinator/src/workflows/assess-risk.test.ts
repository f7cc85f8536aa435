import { describe, expect, it } from 'vitest';
import { assessRisk } from './assess-risk.ts';

describe('assessRisk', () => {
  it('takes the highest score, raised a little by the others, never above 1', () => {
    expect(assessRisk({ a: 0.8, b: 0, c: 0 }, 0.7)).toEqual({ risk: 0.8, needsPerson: true });
    expect(assessRisk({ a: 0.6, b: 0.6, c: 0.6 }, 0.7)).toEqual({ risk: 0.66, needsPerson: false });
    expect(assessRisk({ a: 1, b: 1, c: 1 }, 0.7).risk).toBe(1);
    expect(assessRisk({ a: 0, b: 0, c: 0 }, 0.7)).toEqual({ risk: 0, needsPerson: false });
  });

  it('wants a person where a moderator is missing, whatever the others say', () => {
    expect(assessRisk({ a: 0.1, b: null, c: 0 }, 0.7)).toEqual({ risk: 0.1, needsPerson: true });
    expect(assessRisk({ a: null, b: null, c: null }, 1)).toEqual({ risk: 0, needsPerson: true });
  });

  it('wants a person from the threshold on', () => {
    expect(assessRisk({ a: 0.5 }, 0.5).needsPerson).toBe(true);
    expect(assessRisk({ a: 0.49 }, 0.5).needsPerson).toBe(false);
  });
});
