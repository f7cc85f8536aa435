import type { ContentWord } from './content-runs.ts';

/** A word or phrase that may be a keyword. */
export interface Term {
  readonly nodes: readonly string[];
  /** How often it stands in the text outside longer terms. */
  count: number;
  /** As it is written most often. */
  surface: string;
  /** Its place among the terms of the text. */
  readonly position: number;
}

interface Candidate extends Term {
  readonly surfaces: Map<string, number>;
}

const maxTermWords = 3;
/** What is longer is data within the text, or two words with a line drawn between them. */
const maxTermChars = 150;

/**
 * The terms of a text: every word, every phrase of up to three words that comes back, and every phrase that is a run of
 * its own and whose words do not come back without it.
 */
export function collectTerms(text: string, runs: readonly ContentWord[][]): Term[] {
  const candidates = countSequences(text, runs);
  const ownRuns = new Set(runs.map(keyOf));
  for (const [key, { nodes, count }] of candidates) {
    const comesBack = count > 1;
    const standsForItsWords = ownRuns.has(key) && nodes.every((node) => candidates.get(node)?.count === 1);
    if (nodes.length > 1 && !comesBack && !standsForItsWords) candidates.delete(key);
  }
  const nested = countNested(candidates);
  const terms: Term[] = [];
  for (const [key, candidate] of candidates) {
    const count = candidate.count - (nested.get(key) ?? 0);
    if (count <= 0) continue;
    const { nodes, position } = candidate;
    terms.push({ nodes, count, position, surface: surfaceOf(candidate) });
  }
  return terms;
}

const keyOf = (words: readonly ContentWord[]): string => words.map((word) => word.node).join(' ');

function countSequences(text: string, runs: readonly ContentWord[][]): Map<string, Candidate> {
  const candidates = new Map<string, Candidate>();
  for (const words of runs.flatMap((run) => [...sequencesOf(run)])) {
    const [first] = words;
    const last = words.at(-1);
    if (!first || !last) continue;
    const surface = text.slice(first.start, last.end).replaceAll(/\s+/gu, ' ');
    if (surface.length > maxTermChars) continue;
    const key = keyOf(words);
    const candidate = candidates.get(key) ?? {
      nodes: words.map((word) => word.node),
      surfaces: new Map<string, number>(),
      surface: '',
      count: 0,
      position: candidates.size,
    };
    candidate.count += 1;
    // Only a form from inside a sentence shows how the word is really written.
    candidate.surfaces.set(surface, (candidate.surfaces.get(surface) ?? 0) + (first.opensSentence ? 0 : 1));
    candidates.set(key, candidate);
  }
  return candidates;
}

function* sequencesOf<T extends { node: string }>(run: readonly T[]): Generator<readonly T[]> {
  for (const start of run.keys()) {
    for (let length = 1; length <= maxTermWords && start + length <= run.length; length++) {
      const words = run.slice(start, start + length);
      if (new Set(words.map((word) => word.node)).size === length) yield words;
    }
  }
}

/** How often each term stands inside a longer one, as in the C-value method (Frantzi and Ananiadou, 1996). */
function countNested(candidates: ReadonlyMap<string, Term>): Map<string, number> {
  const nested = new Map<string, number>();
  for (const { nodes, count } of candidates.values()) {
    for (const words of sequencesOf(nodes.map((node) => ({ node })))) {
      if (words.length === nodes.length) continue;
      const key = words.map((word) => word.node).join(' ');
      nested.set(key, Math.max(nested.get(key) ?? 0, count));
    }
  }
  return nested;
}

function surfaceOf({ surfaces }: Candidate): string {
  let best: readonly [string, number] = ['', -1];
  for (const entry of surfaces) if (entry[1] > best[1]) best = entry;
  return best[0];
}
