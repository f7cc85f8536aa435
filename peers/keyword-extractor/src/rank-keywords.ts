import { collectTerms, type Term } from './collect-terms.ts';
import { type ContentWord, contentRuns } from './content-runs.ts';
import type { Language } from './language.ts';
import { connect, pageRank } from './page-rank.ts';
import { tokenize } from './tokenize.ts';

/**
 * TextRank (Mihalcea and Tarau, 2004): words are nodes, words that stand close together are linked, and PageRank says
 * which ones the text turns around; phrases are worth their words. Nothing is random: the same text gives the same
 * keywords.
 */

/** A term of a text; the best one scores 1. */
export interface Keyword {
  term: string;
  score: number;
}

const windowWords = 3;

/** The best terms of a text, best first; ties in the order of the text. */
export function rankKeywords(text: string, language: Language, limit: number): Keyword[] {
  const runs = contentRuns(tokenize(text), language);
  const ranks = pageRank(buildGraph(runs.flat()));
  const scored = collectTerms(text, runs)
    .map((term) => ({ term, score: scoreOf(term, ranks) }))
    .sort((a, b) => b.score - a.score || a.term.position - b.term.position);
  const best = scored[0]?.score ?? 1;
  return takeDistinct(scored, limit).map(({ term, score }) => ({
    term: term.surface,
    score: Math.round((score / best) * 1000) / 1000,
  }));
}

/** Links words of one sentence that are at most two content words apart. */
function buildGraph(words: readonly ContentWord[]): Map<string, Map<string, number>> {
  const graph = new Map<string, Map<string, number>>();
  for (const [index, word] of words.entries()) {
    if (!graph.has(word.node)) graph.set(word.node, new Map());
    for (let distance = 1; distance < windowWords; distance++) {
      const earlier = words[index - distance];
      if (earlier?.sentence !== word.sentence) break;
      if (earlier.node !== word.node) connect(graph, earlier.node, word.node, 1 / distance);
    }
  }
  return graph;
}

/** A phrase is worth its words, with less for each further one; every term more when it comes back. */
function scoreOf({ nodes, count }: Term, ranks: ReadonlyMap<string, number>): number {
  const total = nodes.reduce((sum, node) => sum + (ranks.get(node) ?? 0), 0);
  return (total / Math.sqrt(nodes.length)) * (1 + Math.log(count));
}

/** The first terms of which none lies inside another one. */
function takeDistinct<S extends { term: Term }>(scored: readonly S[], limit: number): S[] {
  const taken: S[] = [];
  for (const entry of scored) {
    if (taken.length === limit) break;
    const { nodes } = entry.term;
    if (!taken.some(({ term }) => contains(term.nodes, nodes) || contains(nodes, term.nodes))) taken.push(entry);
  }
  return taken;
}

const contains = (outer: readonly string[], inner: readonly string[]): boolean =>
  ` ${outer.join(' ')} `.includes(` ${inner.join(' ')} `);
