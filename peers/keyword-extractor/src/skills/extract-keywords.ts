import { guessLanguage, type Language } from '../language.ts';
import { type Keyword, rankKeywords } from '../rank-keywords.ts';

/** The keywords of a text, in the given language or the one it seems to be in. */
export function extractKeywords(input: { text: string; language?: Language | undefined; limit: number }): {
  keywords: Keyword[];
  language: Language;
} {
  const language = input.language ?? guessLanguage(input.text);
  return { keywords: rankKeywords(input.text, language, input.limit), language };
}
