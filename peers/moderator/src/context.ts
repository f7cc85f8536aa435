import type { Hit } from './lexicon.ts';
import type { PlainText } from './plain-text.ts';

/** How something is said: what of its sentence stands around it, and whose words it is. */
export interface Context {
  /** The sentence up to the hit, and from its end on. */
  readonly before: string;
  readonly after: string;
  readonly negated: boolean;
  readonly quoted: boolean;
  /** Somebody else is said to have said it. */
  readonly reported: boolean;
  /** The author speaks of the author. */
  readonly selfReferring: boolean;
  /** Whoever reads it is meant. */
  readonly addressed: boolean;
}

const quotation =
  /"[^"\n]{1,1000}"|(?<![\p{L}\p{N}])'(?:[^'\n]|(?<=\p{L})'(?=\p{L})){2,1000}'(?![\p{L}\p{N}])|^>.*$/gmu;
const negator = String.raw`(?:\b(?:not|never|no|cannot|neither|nor|without|isnt|arent|wasnt|werent|dont|doesnt|didnt|wont|kein|keine|nicht|pas)\b|n't\b)`;
const negation = new RegExp(
  String.raw`${negator}(?!\s+(?:just|only|merely|even|be|being|act|stop|you|u|help)\b)(?:\s+[^\s,;:]+){0,3}\s*$`,
  'u',
);
const deniedThought = new RegExp(
  String.raw`${negator}\s+(?:\w+\s+)?(?:think|thinks|believe|believes|say|saying|mean|call|calling|called|said|consider)\b[^,;:]*$`,
  'u',
);
const report =
  /(?<!\bi )(?<!\bwe )\b(?:called|calls|calling|said|says|saying|wrote|writes|tweeted|posted|shouted|yelled|screamed|told|insulted|labell?ed|termed|quoted?|sings|sang)\b/u;
const mention =
  /\b(?:the|a|word|term|phrase|slur|insult|expression)s? (?:word|term|phrase|slur|insult|expression)s?\b|\b(?:word|term|phrase|slur|insult)\s*"?$/u;
const self =
  /\b(?:i am|i'm|im|i was|i feel|i felt|am i|i look|i sound|myself|i can be|makes? me feel|made me feel|my own|called me|call me|i've been|i have been)\b[^,;]*$/u;
const secondPerson =
  /\b(?:you|you're|youre|you've|you'll|your|yours|yourself|yourselves|yall|y'all|u|ur|du|dich|dein|deine|tu|toi|vous|eres|usted)\b|@\w/u;
const pointingAway = /\b(?:those|these|that|some|any|other)\s+$/u;
const imperative = /\b(?:don't|dont|do not|stop) (?:be|being|act|acting)\b/u;

/** Reads contexts off a text. */
export function createContextReader({ text }: PlainText): (hit: Hit) => Context {
  const quotes = foreignQuotes(text);
  return ({ from, to }) => {
    const start = sentenceStart(text, from);
    const before = text.slice(start, from);
    const after = text.slice(to, sentenceEnd(text, to));
    const clause = before.slice(
      Math.max(before.lastIndexOf(','), before.lastIndexOf(';'), before.lastIndexOf(':')) + 1,
    );
    const quoted = quotes.some((quote) => quote.from < from && to < quote.to + 1);
    return {
      before,
      after,
      negated: negation.test(clause) || deniedThought.test(clause),
      quoted,
      reported: report.test(before) || (quoted && report.test(after)) || mention.test(before),
      selfReferring: self.test(clause),
      addressed:
        !pointingAway.test(before) &&
        (secondPerson.test(`${before}${text.slice(from, to)}${after}`) || imperative.test(before)),
    };
  };
}

/** Quotations, unless nearly everything is in quotation marks: then they hide who is speaking. */
function foreignQuotes(text: string): { from: number; to: number }[] {
  const matches = [...text.matchAll(quotation)];
  const quotedLetters = matches.reduce((sum, match) => sum + lettersIn(match[0]), 0);
  if (quotedLetters > 0.9 * lettersIn(text)) return [];
  return matches.map((match) => ({ from: match.index, to: match.index + match[0].length }));
}

/** How far a sentence is looked at; what is further away says little about a word. */
const maxReach = 300;

const lettersIn = (part: string): number => part.match(/\p{L}/gu)?.length ?? 0;

function sentenceStart(text: string, position: number): number {
  const limit = Math.max(0, position - maxReach);
  for (let index = position - 1; index >= limit; index--) if (endsSentence(text, index)) return index + 1;
  return limit;
}

function sentenceEnd(text: string, position: number): number {
  const limit = Math.min(text.length, position + maxReach);
  for (let index = position; index < limit; index++) if (endsSentence(text, index)) return index;
  return limit;
}

const endsSentence = (text: string, index: number): boolean =>
  text[index] === '\n' || ('.!?…'.includes(text[index] ?? '') && /^["')\]\s.!?…]?$/u.test(text[index + 1] ?? ''));
