import { type Facts, scalarsOf } from './facts.ts';
import { overlap, wordsOf } from './words.ts';

/** Whether a condition holds; undefined while the facts do not tell. */
export type Verdict = boolean | undefined;

const comparisons: Record<string, (value: number, limit: number) => boolean> = {
  below: (value, limit) => value < limit,
  under: (value, limit) => value < limit,
  'less than': (value, limit) => value < limit,
  above: (value, limit) => value > limit,
  over: (value, limit) => value > limit,
  'more than': (value, limit) => value > limit,
  'greater than': (value, limit) => value > limit,
  'at least': (value, limit) => value >= limit,
  'at most': (value, limit) => value <= limit,
};

/** Judges the condition of a step by the facts; a step without one that can be judged may be taken. */
export function judge(step: string, facts: Facts): Verdict {
  const [, word = '', clause] = /\b(if|when|unless|in case|while)\s+([^,;]+)/i.exec(step) ?? [];
  if (clause === undefined) return true;
  const verdict = judgeClause(clause, facts);
  return word.toLowerCase() === 'unless' && verdict !== undefined ? !verdict : verdict;
}

function judgeClause(clause: string, facts: Facts): Verdict {
  const about = /\b(?:about|concerns?|mentions?)\s+(.+)$/i.exec(clause)?.[1];
  if (about !== undefined) {
    const said = new Set(scalarsOf(facts).flatMap((value) => (typeof value === 'string' ? wordsOf(value) : [])));
    return overlap(wordsOf(about), said) > 0;
  }
  const [, missing, thing] =
    /\b(?:has|have|there (?:is|are))\s+(?:(no)\s+)?(?:an?\s+|any\s+|some\s+)?(.+)$/i.exec(clause) ?? [];
  if (thing !== undefined) {
    const known = subjectFacts(thing, facts);
    return known.length === 0 ? undefined : known.some(isThere) === (missing === undefined);
  }
  const [, subject, negation, comparison, value] =
    /^(.+?)\s+(?:is|are|was|were|equals|contains?|includes?|=)\s+(?:(not|no)\s+)?(?:an?\s+|the\s+)?(?:(below|under|less than|above|over|more than|greater than|at least|at most)\s+)?["'“`]?([\p{L}\p{N}.-]+)/iu.exec(
      clause,
    ) ?? [];
  // A condition of another kind ("when you need it") is left to whether the tool can be called.
  if (subject === undefined || value === undefined) return true;
  const known = scalarsOf(subjectFacts(subject, facts));
  if (known.length === 0) return undefined;
  const compare = comparison === undefined ? undefined : comparisons[comparison.toLowerCase()];
  const holds = known.some((each) =>
    compare ? typeof each === 'number' && compare(each, Number(value)) : sameWord(each, value),
  );
  return negation === undefined ? holds : !holds;
}

const sameWord = (known: unknown, value: string): boolean =>
  String(known).toLowerCase() === value.toLowerCase().replace(/\.$/, '');

const isThere = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== null && value !== false && value !== '';

/** The fact whose name says most of the subject. */
function subjectFacts(subject: string, facts: Facts): unknown[] {
  const words = new Set(wordsOf(subject));
  return Object.entries(facts)
    .map(([name, value]) => ({ value, nameWords: wordsOf(name) }))
    .filter(({ nameWords }) => nameWords.length > 0 && overlap(nameWords, words) === nameWords.length)
    .toSorted((a, b) => b.nameWords.length - a.nameWords.length)
    .slice(0, 1)
    .map(({ value }) => value);
}
