import type { Evidence } from './assessment.ts';

/** A sign of spam that is not a phrase. */
interface SpamSign {
  readonly pattern: RegExp;
  /** What the first match weighs, and each further one. */
  readonly weight: number;
  readonly further: number;
  readonly reason: string;
}

const shorteners =
  'bit\\.ly|tinyurl\\.com|goo\\.gl|t\\.co|is\\.gd|ow\\.ly|cutt\\.ly|rb\\.gy|shorturl\\.at|tiny\\.cc|t\\.me|wa\\.me|linktr\\.ee';

const signs: readonly SpamSign[] = [
  {
    pattern: new RegExp(String.raw`(?:https?://)?\b(?:${shorteners})/[^\s<>"')]+`, 'giu'),
    weight: 1.8,
    further: 0.5,
    reason: 'a link that hides where it leads',
  },
  {
    pattern:
      /(?:https?:\/\/)?(?<![a-z0-9.-])(?:[a-z0-9-]{1,63}\.){1,5}(?:xyz|top|click|icu|buzz|loan|win|bid|gq|cf|tk|ml|rest|monster)\b(?:\/[^\s<>"')]*)?/giu,
    weight: 1.7,
    further: 0.4,
    reason: 'a link to a domain that spam is known for',
  },
  {
    pattern: /https?:\/\/(?:\d{1,3}(?:\.\d{1,3}){3}|[^\s/]*xn--[^\s/]*)[^\s<>"')]*/giu,
    weight: 1.6,
    further: 0.4,
    reason: 'a link without an honest name',
  },
  { pattern: /(?:https?:\/\/|www\.)[^\s<>"')]+/giu, weight: 0.8, further: 0.4, reason: 'a link' },
  {
    pattern:
      /[$€£₿]\s?\d(?:[\d.,]{0,20}\d)?\s?(?:k|m|million|billion)?\b|\b\d(?:[\d.,]{0,20}\d)?\s?(?:usd|eur|gbp|dollars|euros|btc)\b/giu,
    weight: 0.9,
    further: 0.3,
    reason: 'an amount of money',
  },
  { pattern: /[!?]{3,}|(?:[!?]\s){3,}/gu, weight: 0.6, further: 0.2, reason: 'a run of exclamation marks' },
  {
    pattern: /(?:\p{Extended_Pictographic}(?:\u200d|\ufe0f|\p{Emoji_Modifier})*\s*){3,}/gu,
    weight: 0.8,
    further: 0.3,
    reason: 'a run of emoji',
  },
  { pattern: /(?:\b\p{Lu}{3,}\b[\s,!]*){4,}/gu, weight: 0.9, further: 0.3, reason: 'a run of words in capitals' },
  {
    pattern: /(?<!\p{L})(\p{L}{2,})(?:[\s,!.]+\1(?!\p{L})){3,}/giu,
    weight: 1.3,
    further: 0.5,
    reason: 'the same word again and again',
  },
  {
    pattern: /^(?<line>\S.{7,300})$(?=[\s\S]{0,2000}^\k<line>$)/gmu,
    weight: 1.3,
    further: 0.5,
    reason: 'the same line again and again',
  },
  { pattern: /\+\d[\d\s().-]{8,16}\d/gu, weight: 0.7, further: 0.3, reason: 'a telephone number' },
];

const maxMatchesPerSign = 20;

/** Links, amounts, shouting and repetition; each place counts for the first sign it shows. */
export function findSpamSigns(text: string): Evidence[] {
  const evidence: Evidence[] = [];
  for (const { pattern, weight, further, reason } of signs) {
    const matches = [...text.matchAll(pattern)]
      .map((match) => ({ start: match.index, quote: match[0].trimEnd() }))
      .map(({ start, quote }) => ({ start, end: start + quote.length, quote }))
      .filter(({ start, end }) => !evidence.some((found) => found.start < end && start < found.end))
      .slice(0, maxMatchesPerSign);
    for (const [index, span] of matches.entries()) {
      evidence.push({
        ...span,
        reason: `“${shorten(span.quote)}” is ${reason}`,
        weight: index === 0 ? weight : further,
      });
    }
  }
  return evidence;
}

const shorten = (quote: string): string => (quote.length <= 60 ? quote : `${quote.slice(0, 59)}…`);
