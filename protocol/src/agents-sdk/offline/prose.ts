import { createHash } from 'node:crypto';
import type { PastCall } from './conversation.ts';
import type { Facts } from './facts.ts';

/**
 * The offline model's way with words. Given text it extracts, given only terms it joins them into plain sentences; both
 * depend on nothing but the facts, so the same request gets the same words. It claims no knowledge it does not have.
 */

type Tone = 'formal' | 'friendly' | 'neutral';

interface Phrases {
  opening: readonly string[];
  body: readonly string[];
  closing: readonly string[];
}

// {s} the subject, {l} the first terms, {k} a term, {n} the next one.
const phrases: Record<Tone, Phrases> = {
  neutral: {
    opening: ['{s} comes down to {l}.', 'To understand {s}, look at {l}.'],
    body: [
      '{k} is the place to start, because {n} builds on it.',
      'Next to it stands {k}, and the two have to be planned together.',
      '{k} changes how {n} is used from day to day.',
      'Without {k}, little of the rest would hold.',
      'Where {k} and {n} meet, the details matter most.',
    ],
    closing: ['Taken together, {l} give {s} its shape.', 'That is {s} in short.'],
  },
  friendly: {
    opening: ["Let's talk about {s}: {l} are good places to begin.", 'Curious about {s}? Start with {l}.'],
    body: [
      'First up is {k}, and it makes {n} a lot easier.',
      "You'll meet {k} sooner than you think.",
      '{k} and {n} get along well, so try them side by side.',
      'Give {k} a little time and it pays you back.',
      "Don't skip {k}; it is simpler than it sounds.",
    ],
    closing: ["And that's {s}: not so hard after all.", 'With {l} in hand, you are ready for {s}.'],
  },
  formal: {
    opening: ['This text considers {s} with regard to {l}.', 'The following addresses {s}, in particular {l}.'],
    body: [
      '{k} forms the basis on which {n} depends.',
      'Particular attention is due to {k}.',
      'The relation between {k} and {n} requires careful consideration.',
      '{k} should be established before further steps are taken.',
      'It is advisable to review {k} at regular intervals.',
    ],
    closing: ['In conclusion, {l} determine {s} to a considerable degree.', 'This concludes the overview of {s}.'],
  },
};

const defaultWordLimit = 120;
const sentencesPerParagraph = 3;

/** Paragraphs about what was refused or went wrong, and about the facts, within their word limit. */
export function composeProse(given: Facts, calls: readonly PastCall[] = []): string {
  const limit = typeof given['maxWords'] === 'number' ? Math.max(1, given['maxWords']) : defaultWordLimit;
  const { text, ...named } = given;
  // What was found out is the answer, not the words that asked for it.
  const facts = text === undefined || calls.some(foundOut) ? named : given;
  const source = longestText(facts);
  const sentences = source === undefined ? sentencesFrom(facts, calls.length > 0) : sentencesOf(source);
  return toParagraphs(fitting([...calls.flatMap(mishap), ...sentences], limit), limit);
}

/** Whether a call returned values under names of their own. */
const foundOut = ({ outcome, result }: PastCall): boolean =>
  outcome === 'done' && result !== undefined && Object.keys(result.own).length > 0 && !('text' in result.own);

function mishap({ name, outcome, reason }: PastCall): string[] {
  const because = reason === undefined ? '' : `: ${reason.replace(/[.\s]+$/, '')}`;
  if (outcome === 'rejected') return [`${name} was rejected${because}.`];
  return outcome === 'failed' ? [`${name} failed${because}.`] : [];
}

/** What tools returned is reported, what the user wants written about is elaborated. */
const sentencesFrom = (facts: Facts, isReport: boolean): string[] => {
  const reported = isReport || (termsOf(facts).length === 0 && subjectOf(facts) === undefined) ? reportOf(facts) : [];
  return reported.length > 0 ? reported : sentencesAbout(facts);
};

/** One sentence for each plain value. */
function reportOf(facts: Facts): string[] {
  return Object.entries(facts).flatMap(([name, value]) => {
    if (unreported.has(name) || !['boolean', 'number', 'string'].includes(typeof value)) return [];
    const subject = name
      .replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
      .replaceAll(/[_-]/g, ' ')
      .toLowerCase();
    return [`${capitalized(subject)}: ${String(value).replace(/[.\s]+$/, '')}.`];
  });
}

const unreported: ReadonlySet<string> = new Set(['maxWords', 'rejected', 'reason', 'error']);

/** A short heading for the facts. */
export function composeTitle(facts: Facts): string {
  const subject = subjectOf(facts);
  const source = longestText(facts);
  const words = (subject ?? (source === undefined ? 'Notes' : (sentencesOf(source)[0] ?? source))).split(/\s+/);
  const heading = words
    .slice(0, 10)
    .join(' ')
    .replace(/[.,;:!?]+$/, '');
  return capitalized(heading);
}

/** The terms the facts name: the first list of strings. */
export function termsOf(facts: Facts): string[] {
  for (const value of Object.values(facts)) {
    if (!Array.isArray(value) || value.length === 0) continue;
    const terms = value.map(termOf);
    if (terms.every((term) => term !== undefined)) return terms;
  }
  return [];
}

function termOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.values(value).find((each) => typeof each === 'string');
}

function subjectOf(facts: Facts): string | undefined {
  for (const name of ['topic', 'subject', 'title', 'question', 'name']) {
    const value = facts[name];
    if (typeof value === 'string' && value.trim() !== '') return value.trim();
  }
  const terms = termsOf(facts);
  return terms.length === 0 ? undefined : listed(terms.slice(0, 2));
}

function longestText(facts: Facts): string | undefined {
  const texts = Object.values(facts).filter((value) => typeof value === 'string' && value.length > 200);
  // The filter kept strings only.
  return (texts as string[]).toSorted((a, b) => b.length - a.length)[0] ?? bareText(facts);
}

/** A short text counts as the source only when nothing else is given. */
const bareText = (facts: Facts): string | undefined =>
  termsOf(facts).length === 0 && typeof facts['text'] === 'string' ? facts['text'] : undefined;

const sentencesOf = (text: string): string[] =>
  [...new Intl.Segmenter('en', { granularity: 'sentence' }).segment(text.replaceAll(/\s+/g, ' '))]
    .map(({ segment }) => segment.trim())
    .filter((sentence) => sentence !== '');

function sentencesAbout(facts: Facts): string[] {
  const terms = termsOf(facts);
  const subject = subjectOf(facts) ?? 'this';
  const { opening, body, closing } = phrases[toneOf(facts)];
  const seed = createHash('sha256').update(JSON.stringify(facts)).digest().readUInt32BE();
  const fill = (list: readonly string[], index: number, term = subject, next = subject): string => {
    const phrase = list[(seed + index) % list.length] ?? '';
    const words = { s: subject, l: listed(terms.slice(0, 3)) || subject, k: term, n: next };
    // The pattern matches exactly these four names.
    return capitalized(phrase.replaceAll(/\{([slkn])\}/g, (_, name: string) => words[name as keyof typeof words]));
  };
  return [
    fill(opening, 0),
    ...terms.map((term, index) => fill(body, index, term, terms[(index + 1) % terms.length])),
    fill(closing, 1),
  ];
}

function toneOf(facts: Facts): Tone {
  const { tone } = facts;
  return tone === 'friendly' || tone === 'formal' ? tone : 'neutral';
}

function fitting(sentences: readonly string[], limit: number): string[] {
  const kept: string[] = [];
  let words = 0;
  for (const sentence of sentences) {
    const length = sentence.split(/\s+/).length;
    if (words + length > limit) break;
    kept.push(sentence);
    words += length;
  }
  return kept.length > 0 ? kept : sentences.slice(0, 1);
}

function toParagraphs(sentences: readonly string[], limit: number): string {
  const paragraphs: string[] = [];
  for (let at = 0; at < sentences.length; at += sentencesPerParagraph) {
    paragraphs.push(sentences.slice(at, at + sentencesPerParagraph).join(' '));
  }
  const text = paragraphs.join('\n\n');
  const words = text.split(/\s+/);
  return words.length <= limit ? text : `${words.slice(0, limit).join(' ')}…`;
}

function listed(terms: readonly string[]): string {
  if (terms.length < 2) return terms[0] ?? '';
  return `${terms.slice(0, -1).join(', ')} and ${terms.at(-1)}`;
}

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
