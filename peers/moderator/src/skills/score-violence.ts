import { assess, type Assessment, type Evidence } from '../assessment.ts';
import { type Context, createContextReader } from '../context.ts';
import { violenceLexicon } from '../lexicons/violence.ts';
import { isDisguised, type PlainText, spanOf, toPlainText } from '../plain-text.ts';
import { undisguise } from '../undisguise.ts';

type ViolentHit = ReturnType<typeof violenceLexicon.find>[number];

const model = 'violence-rules/1';
const bias = -3.4;

const intent =
  /\b(?:(?:i|we) (?:will|shall|'ll|'m going to|am going to|are going to|'m gonna|am gonna|want to|wanna|would love to|'d love to|plan to|swear|can't wait to|must|should|need to|have to|gonna)|(?:i'll|we'll|ill|i'm going to|we're going to|i'm gonna|im gonna|we're gonna|i'd|i'm about to|gonna|let me|let's|let us))\b(?![^,;]*\b(?:report|told|heard)\b)/u;
const order =
  /^["'\s]*(?:(?:please|now|go|just|all of you|everyone|everybody|we must)[,\s]+)*(?:(?:bring|take|grab|get)\b[^,;]*\band\s+)?$/u;
const personAfter =
  /^(?:\s+[\w-]+){0,2}?\s+(?:you|u|ya|him|her|them|everyone|everybody|somebody|someone|people|all of (?:you|them)|(?:my|your|his|her|their|our) (?:\w+ )?(?:boss|neighbou?rs?|wife|husband|ex|teacher|colleagues?|coworkers?|family|kids?|children|brother|sister|mother|father|friends?|girlfriend|boyfriend|landlord)|those \w+|these \w+|the (?:\w+ )?(?:guards?|police|cops?|officers?|teachers?|students?|driver|judge|president|mayor|family|men|women|children|guy|man|woman))\b/u;
const somebodysOwn = /\b(?:your|you|him|them|her|his|their|school|house|home|office|church|mosque|synagogue)\b/u;
const means =
  /\b(?:knife|knives|gun|guns|rifle|pistol|bomb|explosives?|machete|bat|acid|axe|hammer|gasoline|petrol|bullets?|grenade)\b/u;
const telling =
  /\b(?:movie|film|novel|book|chapter|episode|series|game|gameplay|level|boss fight|character|scene|story|plot|play|lyrics|song|documentary|police|suspect|arrested|court|according to|officials|reuters|news|reported|century|war|battle|history|king|emperor|victims?|killed in \d{4})\b/u;

/** Scores a text for threats of violence and calls for it. */
export function scoreViolence({ text }: { text: string }): Assessment {
  const plain = undisguise(toPlainText(text), violenceLexicon.vocabulary);
  const contextOf = createContextReader(plain);
  const evidence = violenceLexicon.find(plain).map((hit) => weigh(plain, hit, contextOf(hit)));
  return assess(evidence, { model, bias, clean: 'No threat of violence and no call for it was found.' });
}

function weigh(plain: PlainText, hit: ViolentHit, context: Context): Evidence {
  const span = spanOf(plain, hit.from, hit.to);
  const { entry } = hit;
  const says = (how: string) => `“${span.quote}” is ${entry.reason}${how}`;
  if (entry.kind === 'harmless') return { ...span, weight: entry.weight, reason: says('') };
  const { weight, notes } = entry.kind === 'act' ? weighAct(plain, hit, context) : { weight: entry.weight, notes: [] };
  const lessened = lessen(context);
  if (lessened) return { ...span, weight: weight * lessened.factor, reason: says(`, but ${lessened.because}`) };
  const disguise = isDisguised(plain, hit.from, hit.to);
  return {
    ...span,
    weight: weight + (disguise ? 0.5 : 0),
    reason: says([...notes, ...(disguise ? ['spelled to get past filters'] : [])].map((note) => `, ${note}`).join('')),
  };
}

/** An act is a threat where somebody means to do it to somebody; alone it may be news, history or fiction. */
function weighAct(plain: PlainText, hit: ViolentHit, context: Context): { weight: number; notes: string[] } {
  const meant = intent.test(context.before);
  const ordered = order.test(context.before);
  const quote = plain.text.slice(hit.from, hit.to);
  const toSomebody = personAfter.test(context.after) || somebodysOwn.test(quote);
  if (!toSomebody || (!meant && !ordered)) {
    return {
      weight: hit.entry.weight * 0.3,
      notes: [toSomebody ? 'told of, not announced' : 'without anybody it is meant for'],
    };
  }
  const notes = [meant ? 'announced by the author' : 'demanded of others'];
  let weight = hit.entry.weight + (meant ? 1.6 : 1.2);
  if (/\b(?:you|your|u)\b/u.test(context.after) || /\byour?\b/u.test(quote)) {
    weight += 1.5;
    notes.push('against the person addressed');
  } else {
    weight += 1.2;
    notes.push('against a person');
  }
  if (means.test(context.before + context.after)) {
    weight += 0.8;
    notes.push('with a weapon named');
  }
  return { weight, notes };
}

function lessen(context: Context): { factor: number; because: string } | undefined {
  if (context.negated) return { factor: 0.1, because: 'it is negated' };
  if (context.quoted) return { factor: 0.3, because: 'it is quoted' };
  if (context.reported) return { factor: 0.35, because: 'it is reported as said by somebody' };
  if (telling.test(context.before + context.after))
    return { factor: 0.3, because: 'the sentence tells a story or news' };
  return undefined;
}
