import { type Facts, isRecord, scalarsOf } from './facts.ts';
import { escaped, overlap, wordsOf } from './words.ts';

/** What is looked for: a named place in a schema. */
export interface Wanted {
  name: string;
  description: string;
  /** Whether a value may stand there. */
  fits: (value: unknown) => boolean;
}

/**
 * The fact that a name asks for: one of the same name, however it is spelt (`device_id`, `deviceId`), else the one whose
 * name shares the most words with it (`city` and `cityName`), else with its description.
 */
export function findFact({ name, description, fits }: Wanted, facts: Facts): unknown {
  if (fits(facts[name])) return facts[name];
  const wanted = wordsOf(name);
  const described = new Set(wordsOf(description));
  let best: { value: unknown; score: number } | undefined;
  for (const [factName, value] of Object.entries(facts)) {
    if (!fits(value)) continue;
    const score = likeness(wanted, described, wordsOf(factName));
    if (score > (best?.score ?? 0)) best = { value, score };
  }
  return best?.value;
}

/** Same words 3, one name within the other 2 to 3, all of a name in the description 1; anything less is no likeness. */
function likeness(wanted: readonly string[], described: ReadonlySet<string>, words: readonly string[]): number {
  if (words.length === 0) return 0;
  const shared = overlap(wanted, new Set(words));
  const longest = Math.max(wanted.length, words.length);
  if (shared > 0 && shared === Math.min(wanted.length, words.length)) return 2 + shared / longest;
  return words.length > 1 && overlap(words, described) === words.length ? 1 : 0;
}

/** A value that prose gives to a name: `set the brightness to 40`, `priority: high`. */
export function valueInProse(name: string, texts: readonly string[]): string | undefined {
  const words = name.replaceAll(/(\p{Ll})(\p{Lu})/gu, '$1 $2').split(/[\s_-]+/);
  const pattern = new RegExp(
    String.raw`\b${words.map(escaped).join(String.raw`[\s_-]?`)}\s*(?:to|is|of|=|:|as|at)?\s*["“]?([\p{L}\p{N}][\p{L}\p{N}._-]*)`,
    'iu',
  );
  for (const text of texts.toReversed()) {
    if (/^\s*[[{]/.test(text)) continue;
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return found.replace(/[.]$/, '');
  }
  return undefined;
}

/**
 * The choice that the facts speak for: one that is itself a value among them, else the one that a clause of the rules
 * names together with such a value, as in `restart it when it is offline`.
 */
export function findChoice(choices: readonly unknown[], facts: Facts, rules: readonly string[]): unknown {
  const values = new Set(scalarsOf(facts));
  const given = choices.find((choice) => choice !== null && values.has(choice));
  if (given !== undefined) return given;
  const words = new Set(evidenceOf(facts));
  const clauses = rules
    .flatMap((rule) => rule.split(/[.;,\n]+|\bbut\b|\botherwise\b/))
    .map((clause) => clause.toLowerCase());
  let best: { choice: unknown; score: number } | undefined;
  for (const choice of choices.filter((each) => typeof each === 'string')) {
    const own = wordsOf(choice);
    const score = Math.max(
      overlap(own, words),
      ...clauses
        .filter((clause) => clause.includes(choice.toLowerCase()))
        .map((clause) => overlap(wordsOf(clause.replaceAll(choice.toLowerCase(), ' ')), words)),
    );
    if (score > (best?.score ?? 0)) best = { choice, score };
  }
  return best?.choice;
}

/** The words of short values, and the names of what is true. */
function evidenceOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(evidenceOf);
  if (isRecord(value)) {
    return Object.entries(value).flatMap(([name, each]) => (each === true ? wordsOf(name) : evidenceOf(each)));
  }
  return typeof value === 'string' && value.length <= 60 ? wordsOf(value) : [];
}
