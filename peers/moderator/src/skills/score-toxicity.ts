import { assess, type Assessment, type Evidence } from '../assessment.ts';
import { type Context, createContextReader } from '../context.ts';
import { toxicityLexicon } from '../lexicons/toxicity.ts';
import { isDisguised, type PlainText, spanOf, toPlainText } from '../plain-text.ts';
import { undisguise } from '../undisguise.ts';

type ToxicHit = ReturnType<typeof toxicityLexicon.find>[number];

const thirdPerson = /\b(?:he|she|they|he's|she's|they're|him|her|them|those people|these people)\b/u;
const model = 'toxicity-rules/1';
const bias = -3.2;

/** Scores a text for insults and contempt. */
export function scoreToxicity({ text }: { text: string }): Assessment {
  const plain = undisguise(toPlainText(text), toxicityLexicon.vocabulary);
  const contextOf = createContextReader(plain);
  const evidence = toxicityLexicon.find(plain).map((hit) => weigh(plain, hit, contextOf(hit)));
  return assess(evidence, { model, bias, clean: 'Nothing insulting or hostile was found.' });
}

function weigh(plain: PlainText, hit: ToxicHit, context: Context): Evidence {
  const span = spanOf(plain, hit.from, hit.to);
  const says = (how: string) => `“${span.quote}” is ${hit.entry.reason}${how}`;
  const lessened = lessen(context);
  if (lessened)
    return { ...span, weight: hit.entry.weight * lessened.factor, reason: says(`, but ${lessened.because}`) };
  let { weight } = hit.entry;
  const notes: string[] = [];
  if (context.addressed) {
    weight += hit.entry.weight > 1 ? 2.2 : 0.3;
    notes.push('aimed at the person addressed');
  } else if (thirdPerson.test(context.before)) {
    weight += hit.entry.personal ? 0.9 : 0.5;
    notes.push('about a person');
  }
  if (isDisguised(plain, hit.from, hit.to)) {
    weight += 0.5;
    notes.push('spelled to get past filters');
  }
  if (/^[\p{Lu}\s]{4,}$/u.test(span.quote)) {
    weight += 0.3;
    notes.push('shouted');
  }
  return { ...span, weight, reason: says(notes.map((note) => `, ${note}`).join('')) };
}

/** What takes weight from a word: it is not meant, not the author's, or not about others. */
function lessen(context: Context): { factor: number; because: string } | undefined {
  if (context.negated) return { factor: 0.1, because: 'it is negated' };
  if (context.quoted) return { factor: 0.3, because: 'it is quoted' };
  if (context.reported) return { factor: 0.35, because: 'it is reported as said by somebody' };
  if (context.selfReferring) return { factor: 0.25, because: 'the author speaks about themselves' };
  return undefined;
}
