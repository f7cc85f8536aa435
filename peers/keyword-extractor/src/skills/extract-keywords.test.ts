import { describe, expect, it } from 'vitest';
import { extractKeywords } from './extract-keywords.ts';

const texts = {
  en: `Durable execution is a programming model in which a workflow survives crashes of the process that runs it. Every
    step of the workflow is written to a log before the next step starts, so that after a crash the workflow is replayed
    from the log and continues where it stopped. Dapr workflows, Temporal and Restate are implementations of durable
    execution. A workflow must be deterministic: reading the clock or a random number inside a workflow would make the
    replay take another path than the first execution. Durable execution also makes it simple to wait for people: a
    workflow that waits for an approval is a row in a database, not a thread in memory.`,
  de: `Die Energiewende in Deutschland verlangt den Ausbau der Stromnetze. Windenergie entsteht vor allem im Norden,
    während viele Verbraucher im Süden sitzen. Neue Stromnetze sollen die Windenergie aus dem Norden in den Süden bringen.
    Der Ausbau der Stromnetze dauert jedoch lange, weil Genehmigungen fehlen. Speicher für Windenergie und Sonnenenergie
    könnten die Stromnetze entlasten.`,
  fr: `Les abeilles jouent un rôle essentiel dans la pollinisation des plantes cultivées. Depuis plusieurs années, la
    disparition des abeilles inquiète les apiculteurs. L'usage des pesticides, le changement climatique et la perte d'habitats
    naturels expliquent cette disparition. Sans les abeilles, la pollinisation de nombreuses plantes serait menacée.`,
  es: `El cambio climático afecta a los océanos de todo el planeta. Los arrecifes de coral pierden su biodiversidad. Los
    científicos advierten que los océanos absorben gran parte del calor generado por el cambio climático. Proteger los
    arrecifes de coral exige reducir las emisiones de dióxido de carbono.`,
};

const languageOf = (text: string) => extractKeywords({ text, limit: 1 }).language;
const termsOf = (text: string, limit = 5) => extractKeywords({ text, limit }).keywords.map(({ term }) => term);

describe('extractKeywords', () => {
  it.each([
    ['en', ['workflow', 'durable execution', 'log']],
    ['de', ['Stromnetze', 'Windenergie', 'Ausbau', 'Norden']],
    ['fr', ['abeilles', 'plantes', 'pollinisation', 'disparition', 'changement climatique']],
    ['es', ['arrecifes de coral', 'océanos', 'cambio climático']],
  ] as const)('recognizes a text in %s and what it is about', (language, expected) => {
    expect(extractKeywords({ text: texts[language], limit: 5 }).language).toBe(language);
    expect(termsOf(texts[language])).toEqual(expect.arrayContaining([...expected]));
  });

  it('takes no data for a term', () => {
    expect(termsOf(`The key ${'Ab1-'.repeat(100)}x is ${'a'.repeat(5_000)}.`)).toEqual(['key']);
    expect(termsOf(`solar${'-'.repeat(300)}power`)).toEqual(['solar', 'power']);
  });

  it.each(Object.entries(texts))('scores the terms of the text in %s from 1 downwards', (_language, text) => {
    const scores = extractKeywords({ text, limit: 50 }).keywords.map(({ score }) => score);
    expect(scores.length).toBeGreaterThan(8);
    expect(scores[0]).toBe(1);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    expect(Math.min(...scores)).toBeGreaterThan(0);
  });

  it.each(Object.entries(texts))('names no term twice and none inside another in %s', (_language, text) => {
    const terms = termsOf(text, 50).map((term) => ` ${term.toLowerCase()} `);
    const nested = terms.filter((term) => terms.some((other) => other !== term && other.includes(term)));
    expect(nested).toEqual([]);
    expect(new Set(terms).size).toBe(terms.length);
  });

  it('writes a term as the text does inside a sentence', () => {
    expect(termsOf('Event logs are great. We love event logs.')[0]).toBe('event logs');
    expect(termsOf('We run on NATS. It is known that NATS is fast.')[0]).toBe('NATS');
  });

  it('counts singular and plural as one', () => {
    const terms = termsOf('An agent calls agents. The agent answers, and agents wait.', 50);
    expect(terms.filter((term) => term.startsWith('agent'))).toHaveLength(1);
  });

  it('does not join words over punctuation', () => {
    expect(termsOf('Red. Apples. Red. Apples.', 50)).not.toContain('Red. Apples');
  });

  it('gives the same answer every time', () => {
    expect(extractKeywords({ text: texts.en, limit: 20 })).toEqual(extractKeywords({ text: texts.en, limit: 20 }));
  });

  it('keeps to the limit', () => {
    expect(termsOf(texts.en, 3)).toHaveLength(3);
  });

  it('takes a short text for English unless its words speak of another language', () => {
    expect(languageOf('Workflows survive a crash')).toBe('en');
    expect(languageOf('Kubernetes 1.34')).toBe('en');
    expect(languageOf('Wir testen und liefern')).toBe('de');
  });

  it('uses the language it is told', () => {
    expect(extractKeywords({ text: 'die die die', language: 'en', limit: 5 })).toEqual({
      keywords: [{ term: 'die', score: 1 }],
      language: 'en',
    });
    expect(extractKeywords({ text: 'die die die', language: 'de', limit: 5 }).keywords).toEqual([]);
  });

  it.each(['the of and', '12345 67', '!!! 🎉', '   '])('finds nothing to speak of in %j', (text) => {
    expect(extractKeywords({ text, limit: 5 })).toEqual({ keywords: [], language: 'en' });
  });

  it('stays quick on the longest text it takes', () => {
    const words = Array.from({ length: 14_000 }, (_, index) => `word${((index * 7919) % 4001).toString(36)}`);
    const started = performance.now();
    expect(termsOf(words.join(' ').slice(0, 100_000), 50)).toHaveLength(50);
    // A square-time step somewhere would take minutes.
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
