/** An undirected graph with weighted edges: `edges.get(a)?.get(b) === edges.get(b)?.get(a)`. */
export type Graph<N> = ReadonlyMap<N, ReadonlyMap<N, number>>;

const damping = 0.85;
const maxIterations = 100;
const tolerance = 1e-6;

/** The stationary rank of every node, by power iteration; the mean rank is 1. */
export function pageRank<N>(graph: Graph<N>): Map<N, number> {
  const strength = new Map<N, number>();
  for (const [node, neighbours] of graph) strength.set(node, sum(neighbours.values()));
  let rank = new Map<N, number>([...graph.keys()].map((node) => [node, 1]));
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    const next = new Map<N, number>();
    let change = 0;
    for (const [node, neighbours] of graph) {
      let inflow = 0;
      for (const [neighbour, weight] of neighbours) {
        inflow += (weight / (strength.get(neighbour) ?? 1)) * (rank.get(neighbour) ?? 0);
      }
      const value = 1 - damping + damping * inflow;
      change = Math.max(change, Math.abs(value - (rank.get(node) ?? 0)));
      next.set(node, value);
    }
    rank = next;
    if (change < tolerance) break;
  }
  return rank;
}

/** Adds weight to the edge between two nodes. */
export function connect<N>(graph: Map<N, Map<N, number>>, a: N, b: N, weight: number): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const neighbours = graph.get(from) ?? new Map<N, number>();
    graph.set(from, neighbours.set(to, (neighbours.get(to) ?? 0) + weight));
  }
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
