import { stopwords as english } from '@orama/stopwords/english';
import { stopwords as french } from '@orama/stopwords/french';
import { stopwords as german } from '@orama/stopwords/german';
import { stopwords as spanish } from '@orama/stopwords/spanish';
import { tokenize } from './tokenize.ts';

/** A language this agent knows the stop words of. */
export type Language = 'en' | 'de' | 'fr' | 'es';

const words = (list: string): string[] => list.trim().split(/\s+/);

/** Words that carry no topic, though the published lists leave them in. */
const additions: Record<Language, readonly string[]> = {
  en: words(`
    a across almost along already also although always among another around away became become besides called cause
    comes contains different even ever every everything first get gets give gives given goes got however inside instead
    just keep last later least less like likely made make makes making many maybe much near need needs never new next
    often one ones others otherwise outside part per perhaps put quite rather really said say says see seem seems since
    several something still take taken takes therefore though thus together towards two unless upon us use used uses
    using usually well went whenever whether whose within without yet`),
  de: words(`
    alle allein allerdings bereits beim beide beiden bringen bringt dabei dadurch dafür daher daran darauf darum davon
    dazu dass denen deshalb dürfen eben eher ersten etwa fast ganz ganze gar geben geht gibt gut immer innerhalb ja je
    jedoch kaum kommen kommt konnte konnten können könnten lassen lässt macht mehr mehrere mögen möglich müssen neue
    neuen neuer neues obwohl oft schon sei seit sobald sogar sollen sollten somit sowie statt stets trotz viele vielen
    vieler vielleicht vor wann warum weitere weiteren weniger wenige wer wohl wurde wurden wäre wären zudem zwei allem`),
  fr: words(`
    afin ainsi alors après aucun aucune aussi autre autres avant beaucoup bien car celle celles celui ceux chaque chez
    comme comment contre dehors depuis deux doit doivent donc dont encore entre faire fait faut grand grande grands hors
    jamais jusqu jusque lorsqu lorsque lors loin mal malgré mieux moins ni nombreuses nombreux non nouveau nouvelle
    nouvelles parce parmi partie pendant peu peut peuvent plus plusieurs pourquoi pourrait premier première puis puisqu
    puisque quand quelqu quelque quelques rien selon seulement si sous souvent surtout tandis toujours tous tout toute
    toutes très trop vers voici voilà aujourd hui`),
  es: words('aunque cada casi gracias hizo mientras ningún sólo tal'),
};

/** Words that hold a term together, as in "dióxido de carbono". */
export const connectors: Record<Language, ReadonlySet<string>> = {
  en: new Set(),
  de: new Set(),
  fr: new Set(['de', 'du', 'des']),
  es: new Set(['de', 'del']),
};

/** Endings that leave a word the same word. */
export const inflections: Record<Language, readonly string[]> = {
  en: ['s', 'es'],
  de: ['n', 'en', 'e', 's', 'es', 'er'],
  fr: ['s', 'x', 'e', 'es'],
  es: ['s', 'es'],
};

const lists: Record<Language, readonly string[]> = { en: english, de: german, fr: french, es: spanish };

const stopWords = new Map<Language, ReadonlySet<string>>(
  // The keys of this literal are the languages.
  (Object.keys(lists) as Language[]).map((language) => [
    language,
    new Set([...lists[language], ...additions[language]].map((word) => word.toLowerCase())),
  ]),
);

/** Whether a lower-case word carries no topic in a language. */
export const isStopWord = (word: string, language: Language): boolean => stopWords.get(language)?.has(word) ?? false;

/** The language whose stop words a text uses most; English where it uses none. A word shared by k languages counts 1/k. */
export function guessLanguage(text: string): Language {
  const votes: Record<Language, number> = { en: 0, de: 0, fr: 0, es: 0 };
  for (const { word } of tokenize(text)) {
    const owners = [...stopWords].filter(([, words]) => words.has(word)).map(([language]) => language);
    for (const language of owners) votes[language] += 1 / owners.length;
  }
  let best: Language = 'en';
  for (const language of stopWords.keys()) if (votes[language] > votes[best]) best = language;
  return best;
}
