import { MeshError } from '@daca-mesh/protocol';
import type { DataTable } from './data-table.ts';
import type { Figure, FigureBook } from './figure-book.ts';
import { aggregate, type Aggregate, aggregates, cellsOf, groupsOf, numbersOf } from './statistics.ts';

const maxGroups = 50;

/** Aggregates a column, over all rows or by the values of another column. @throws MeshError `NOT_FOUND`. */
export function computeAggregate(
  table: DataTable,
  { column, how, groupBy }: { column: string; how: Aggregate; groupBy: string | null },
  book: FigureBook,
): Figure[] {
  const cells = requireCells(table, column);
  if (groupBy === null) {
    const value = aggregate(numbersOf(cells), how);
    return value === undefined ? [] : [book.add(`${how} of ${column}`, value, table)];
  }
  const groups = [...groupsOf(requireCells(table, groupBy), cells)].flatMap(([group, numbers]) => {
    const value = aggregate(numbers, how);
    return value === undefined ? [] : [{ group, value }];
  });
  const shown = groups.slice(0, maxGroups);
  const figures = shown.map(({ group, value }) =>
    book.add(`${how} of ${column} for ${groupBy} ${group}`, value, table, group),
  );
  const measure = `${how} of ${column}`;
  book.addTable(
    {
      caption: `${measure} by ${groupBy} (${table.uri})`,
      columns: [groupBy, measure],
      rows: shown.map(({ group, value }) => ({ [groupBy]: group, [measure]: value })),
    },
    figures,
  );
  return figures;
}

/** Everything about one column: figures where it holds numbers, else its most frequent values. @throws MeshError `NOT_FOUND`. */
export function describeColumn(table: DataTable, column: string, book: FigureBook): Figure[] {
  const cells = requireCells(table, column);
  const numbers = numbersOf(cells);
  if (numbers.length > 0) {
    return aggregates.flatMap((how) => {
      const value = aggregate(numbers, how);
      return value === undefined ? [] : [book.add(`${how} of ${column}`, value, table)];
    });
  }
  const counts = new Map<string, number>();
  for (const cell of cells) if (cell !== null) counts.set(String(cell), (counts.get(String(cell)) ?? 0) + 1);
  const frequent = [...counts].toSorted(([, a], [, b]) => b - a).slice(0, 10);
  return frequent.map(([value, count]) => book.add(`rows where ${column} is ${value}`, count, table));
}

function requireCells(table: DataTable, column: string) {
  const cells = cellsOf(table, column);
  if (cells) return cells;
  throw new MeshError('NOT_FOUND', `${table.uri} has no column ${column}; it has ${table.columns.join(', ')}`);
}
