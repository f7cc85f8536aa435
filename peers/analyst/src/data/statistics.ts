import type { Cell, DataTable } from './data-table.ts';

/** What a set of numbers comes to. */
export const aggregates = ['sum', 'mean', 'min', 'max', 'count'] as const;
export type Aggregate = (typeof aggregates)[number];

/** Sums by Kahan: the order of the rows must not show in the figures. */
function sumOf(values: readonly number[]): number {
  let sum = 0;
  let lost = 0;
  for (const value of values) {
    const next = value - lost;
    const total = sum + next;
    lost = total - sum - next;
    sum = total;
  }
  return sum;
}

/** A figure of numbers, rounded to 6 decimals; undefined where there are none to make it of, or it is too large. */
export function aggregate(values: readonly number[], how: Aggregate): number | undefined {
  const figure = figureOf(values, how);
  return Number.isFinite(figure) ? figure : undefined;
}

function figureOf(values: readonly number[], how: Aggregate): number | undefined {
  if (how === 'count') return values.length;
  if (values.length === 0) return undefined;
  switch (how) {
    case 'sum':
      return rounded(sumOf(values));
    case 'mean':
      return rounded(sumOf(values) / values.length);
    case 'min':
      return values.reduce((least, value) => Math.min(least, value));
    case 'max':
      return values.reduce((most, value) => Math.max(most, value));
    default:
      return how satisfies never;
  }
}

/** To 6 decimals; a number so large that it has no more than that stays as it is. */
export const rounded = (value: number): number => (Math.abs(value) < 1e9 ? Math.round(value * 1e6) / 1e6 : value);

/** The cells of a column; undefined for one that is not there. */
export function cellsOf({ columns, rows }: DataTable, column: string): Cell[] | undefined {
  const index = columns.indexOf(column);
  return index === -1 ? undefined : rows.map((row) => row[index] ?? null);
}

export const numbersOf = (cells: readonly Cell[]): number[] => cells.filter((cell) => typeof cell === 'number');

/** The numbers of a column by the values of another one, in the order in which those appear. */
export function groupsOf(keys: readonly Cell[], cells: readonly Cell[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const [index, key] of keys.entries()) {
    if (key === null) continue;
    const numbers = groups.get(String(key)) ?? [];
    const cell = cells[index];
    if (typeof cell === 'number') numbers.push(cell);
    groups.set(String(key), numbers);
  }
  return groups;
}
