import { assess, type Assessment, type Evidence } from '../assessment.ts';
import { type Context, createContextReader } from '../context.ts';
import type { Hit } from '../lexicon.ts';
import { spamLexicon } from '../lexicons/spam.ts';
import { isDisguised, type PlainText, spanOf, toPlainText } from '../plain-text.ts';
import { findSpamSigns } from '../spam-signs.ts';
import { undisguise } from '../undisguise.ts';

const model = 'spam-rules/1';
const bias = -2.6;

const warning =
  /\b(?:scams?|scammers?|phishing|spam|spammers?|fraud|beware|warning|avoid|fake|report it|never click|ignore)\b/u;

/** Scores a text for unsolicited advertising and fraud. */
export function scoreSpam({ text }: { text: string }): Assessment {
  const plain = undisguise(toPlainText(text), spamLexicon.vocabulary);
  const contextOf = createContextReader(plain);
  const warns = warning.test(plain.text);
  const phrases = spamLexicon.find(plain).map((hit) => weigh(plain, hit, lessen(contextOf(hit), warns)));
  return assess([...phrases, ...findSpamSigns(text)], {
    model,
    bias,
    clean: 'Nothing that looks like advertising or fraud was found.',
  });
}

function weigh(plain: PlainText, hit: Hit, lessened: ReturnType<typeof lessen>): Evidence {
  const span = spanOf(plain, hit.from, hit.to);
  const what = `“${span.quote}” is ${hit.entry.reason}`;
  if (lessened)
    return { ...span, weight: hit.entry.weight * lessened.factor, reason: `${what}, but ${lessened.because}` };
  if (!isDisguised(plain, hit.from, hit.to)) return { ...span, weight: hit.entry.weight, reason: what };
  return { ...span, weight: hit.entry.weight + 0.5, reason: `${what}, spelled to get past filters` };
}

function lessen(context: Context, warns: boolean): { factor: number; because: string } | undefined {
  if (warns) return { factor: 0.3, because: 'the text warns of such messages' };
  if (context.negated) return { factor: 0.2, because: 'it is negated' };
  if (context.quoted) return { factor: 0.4, because: 'it is quoted' };
  return undefined;
}
