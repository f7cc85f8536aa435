import { connectors, inflections, isStopWord, type Language } from './language.ts';
import type { Token } from './tokenize.ts';

/** A word that may be part of a term. */
export interface ContentWord extends Token {
  /** What it counts for: singular and plural are one. */
  node: string;
  /** Whether it opens a sentence, where a capital says nothing. */
  opensSentence: boolean;
}

const minWordLength = 2;

/**
 * The runs of words between stop words and punctuation: terms are found inside a run. A connector between two such
 * words ("dióxido de carbono") does not end a run.
 */
export function contentRuns(tokens: readonly Token[], language: Language): ContentWord[][] {
  const baseOf = foldInflections(tokens, language);
  const isContent = ({ word }: Token) =>
    word.length >= minWordLength && /\p{L}/u.test(word) && !isStopWord(word, language);
  const runs: ContentWord[][] = [];
  let previous: Token | undefined;
  let open = false;
  for (const [index, token] of tokens.entries()) {
    const sameClause = previous?.clause === token.clause;
    if (isContent(token)) {
      const word = {
        ...token,
        node: baseOf.get(token.word) ?? token.word,
        opensSentence: previous?.sentence !== token.sentence,
      };
      if (open && sameClause) runs.at(-1)?.push(word);
      else runs.push([word]);
      open = true;
    } else {
      const next = tokens[index + 1];
      const connects = connectors[language].has(token.word) && next?.clause === token.clause && isContent(next);
      open = open && sameClause && connects;
    }
    previous = token;
  }
  return runs;
}

/** An inflected word counts for its base where the text has the base too; there is no dictionary that could err. */
function foldInflections(tokens: readonly Token[], language: Language): Map<string, string> {
  const words = new Set(tokens.map((token) => token.word));
  const minBaseLength = 3;
  const bases = new Map<string, string>();
  for (const word of words) {
    for (const suffix of inflections[language]) {
      const base = word.slice(0, -suffix.length);
      if (word.endsWith(suffix) && base.length >= minBaseLength && words.has(base)) bases.set(word, base);
    }
  }
  return bases;
}
