import type { PlainText } from './plain-text.ts';

/** Words and phrases that mean the same thing to a moderator. */
export interface LexiconEntry {
  /** Words, all forms written out, separated by spaces. */
  words?: string;
  /** Phrases as sources of regular expressions over plain text. */
  phrases?: readonly string[];
  /** Logits, before context is considered. */
  weight: number;
  /** Completes the sentence `"…" is …`. */
  reason: string;
}

/** Where a text matches an entry. */
export interface Hit<Entry extends LexiconEntry = LexiconEntry> {
  readonly entry: Entry;
  readonly from: number;
  readonly to: number;
}

/** A lexicon that can be searched. */
export interface Lexicon<Entry extends LexiconEntry> {
  /** The single words, which are recognized in disguise. */
  readonly vocabulary: ReadonlySet<string>;
  /** All hits in order; of two that overlap, the longer one. */
  find(plain: PlainText): Hit<Entry>[];
}

/** Compiles a lexicon. */
export function compileLexicon<Entry extends LexiconEntry>(entries: readonly Entry[]): Lexicon<Entry> {
  const wordsOf = (entry: Entry) => entry.words?.trim().split(/\s+/u) ?? [];
  const patterns = entries.map((entry) => ({
    entry,
    pattern: new RegExp(
      String.raw`(?<![\p{L}\p{N}])(?:${[...(entry.phrases ?? []), ...wordsOf(entry)].join('|')})(?![\p{L}\p{N}])`,
      'gu',
    ),
  }));
  return {
    vocabulary: new Set(entries.flatMap(wordsOf)),
    find: ({ text }) => {
      const hits = patterns.flatMap(({ entry, pattern }) =>
        [...text.matchAll(pattern)].map((match) => ({ entry, from: match.index, to: match.index + match[0].length })),
      );
      return withoutOverlaps(hits);
    },
  };
}

function withoutOverlaps<H extends Hit>(hits: readonly H[]): H[] {
  const longestFirst = hits.toSorted((a, b) => b.to - b.from - (a.to - a.from) || a.from - b.from);
  const kept: H[] = [];
  const taken = new Set<number>();
  for (const hit of longestFirst) {
    // Both ends suffice: a longer hit cannot lie inside a shorter one.
    if (taken.has(hit.from) || taken.has(hit.to - 1)) continue;
    for (let index = hit.from; index < hit.to; index++) taken.add(index);
    kept.push(hit);
  }
  return kept.sort((a, b) => a.from - b.from);
}
