import { describe, expect, it } from 'vitest';
import { connect, pageRank } from './page-rank.ts';

const graphOf = (edges: readonly (readonly [string, string, number])[]) => {
  const graph = new Map<string, Map<string, number>>();
  for (const [a, b, weight] of edges) connect(graph, a, b, weight);
  return graph;
};

describe('pageRank', () => {
  it('ranks the hub of a star above its leaves, which are equal', () => {
    const rank = pageRank(
      graphOf([
        ['hub', 'a', 1],
        ['hub', 'b', 1],
        ['hub', 'c', 1],
      ]),
    );
    expect(rank.get('hub')).toBeGreaterThan(2 * (rank.get('a') ?? Infinity));
    expect(rank.get('a')).toBeCloseTo(rank.get('c') ?? 0, 10);
  });

  it('solves the rank equation', () => {
    const rank = pageRank(
      graphOf([
        ['a', 'b', 3],
        ['b', 'c', 1],
      ]),
    );
    const [a = 0, b = 0, c = 0] = ['a', 'b', 'c'].map((node) => rank.get(node));
    expect(a).toBeCloseTo(0.15 + 0.85 * 0.75 * b, 4);
    expect(b).toBeCloseTo(0.15 + 0.85 * (a + c), 4);
    expect(c).toBeCloseTo(0.15 + 0.85 * 0.25 * b, 4);
  });

  it('gives a word without neighbours the least rank', () => {
    const graph = graphOf([['a', 'b', 1]]);
    graph.set('alone', new Map());
    expect(pageRank(graph).get('alone')).toBeCloseTo(0.15, 6);
  });

  it('ranks nothing in an empty graph', () => {
    expect(pageRank(new Map())).toEqual(new Map());
  });
});
