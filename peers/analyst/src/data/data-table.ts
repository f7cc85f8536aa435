import type { Source } from '@daca-mesh/agent-cards';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';

export type Cell = string | number | null;

/** A source that has rows and columns. */
export interface DataTable {
  uri: string;
  columns: readonly string[];
  /** The cells of each row, in the order of the columns. */
  rows: readonly (readonly Cell[])[];
  truncated: boolean;
}

/** The table in a source: its rows, its CSV, or the list of records in its JSON; undefined for all other text. */
export function toDataTable({ uri, mediaType, rows, text, truncated }: Source): DataTable | undefined {
  const records = rows ?? (mediaType === 'application/json' ? recordsIn(text ?? '') : undefined);
  const table = records ? fromRecords(records) : mediaType === 'text/csv' ? fromCsv(text ?? '') : undefined;
  return table && { uri, truncated, ...table };
}

const Records = z.array(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))).min(1);

function recordsIn(text: string): z.infer<typeof Records> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const list = typeof value === 'object' && value !== null && 'rows' in value ? value.rows : value;
    return Records.safeParse(list).data;
  } catch {
    // Cut off, or no JSON: text like any other.
    return undefined;
  }
}

/** Records that have more fields than this, all together, are no table: its cells would be their number times that. */
const maxColumns = 200;

type Table = Pick<DataTable, 'columns' | 'rows'>;

function fromRecords(records: readonly Readonly<Record<string, Cell | boolean>>[]): Table | undefined {
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
  if (columns.length > maxColumns) return undefined;
  const rows = records.map((record) => {
    const cells = new Map(Object.entries(record));
    return columns.map((column) => toCell(cells.get(column)));
  });
  return { columns, rows };
}

const toCell = (value: Cell | boolean | undefined): Cell =>
  typeof value === 'boolean' ? String(value) : (value ?? null);

function fromCsv(text: string): Table | undefined {
  let lines: string[][];
  try {
    lines = parse(text, { bom: true, trim: true, skip_empty_lines: true, relax_column_count: true });
  } catch {
    return undefined;
  }
  const [columns = [], ...rows] = lines;
  if (columns.length === 0 || columns.length > maxColumns || rows.length === 0) return undefined;
  return { columns, rows: rows.map((row) => columns.map((_, index) => readCell(row[index] ?? ''))) };
}

/** CSV has no types: what reads as a number is one, unless it is an identifier (`007`) or more than a number can hold. */
function readCell(text: string): Cell {
  if (text === '') return null;
  const value = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) || (Number.isFinite(value) && !/^-?\d+$/.test(text)) ? value : text;
}
