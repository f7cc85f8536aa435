/** A word of a text. */
export interface Token {
  /** Lower case, composed (NFC), without an article's elision or a possessive. */
  word: string;
  /** Where that stands: `text.slice(start, end)`. */
  start: number;
  end: number;
  /** Number of the clause and of the sentence it stands in. */
  clause: number;
  sentence: number;
}

// Letters and digits of any script; inside a word also what `e-mail`, `node.js` and `don't` are written with.
const wordPattern = /[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:[-.'’_][\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*/gu;
// A paragraph or a list item ends a sentence; a line that is merely wrapped does not.
const sentenceBreak = /[.!?…:]|\n\s*\n|\n\s*[-*#>•|]/u;
const clauseBreak = /[^\s\p{Pd}\p{Pc}'’"“”„«»*`]|\s\p{Pd}\s/u;
// French words that lose their vowel: l'agent, qu'il, d'eau.
const elision = /^(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quelqu|aujourd)['’]/iu;
const possessive = /['’]s$/iu;

/** The words of a text in order, Unicode-aware. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let clause = 0;
  let sentence = 0;
  let gapStart = 0;
  for (const match of text.matchAll(wordPattern)) {
    const gap = text.slice(gapStart, match.index);
    gapStart = match.index + match[0].length;
    const endsSentence = sentenceBreak.test(gap);
    if (endsSentence) sentence += 1;
    if (endsSentence || clauseBreak.test(gap)) clause += 1;
    const start = match.index + (elision.exec(match[0])?.[0].length ?? 0);
    const end = gapStart - (possessive.exec(match[0])?.[0].length ?? 0);
    if (start >= end) continue;
    const word = text.slice(start, end).normalize('NFC').replaceAll('’', "'").toLowerCase();
    tokens.push({ word, start, end, clause, sentence });
  }
  return tokens;
}
