import type { SkillMap } from '@daca-mesh/agent-cards';
import type { DataTable } from './data-table.ts';

type Output = SkillMap['analyze-data']['output'];
export type ResultTable = NonNullable<Output['tables']>[number];

/** A computed number and what it is of. */
export interface Figure {
  id: string;
  label: string;
  value: number;
  /** The source it was computed from. */
  source: string;
  /** The value of the column it was grouped by. */
  group?: string;
}

/**
 * Every number that was computed during an analysis. The model may only name them: what is not in here was made up. Equal
 * figures have one id.
 */
export class FigureBook {
  readonly #byId = new Map<string, Figure>();
  readonly #ids = new Map<string, string>();
  readonly #tables = new Map<string, { figures: string[]; table: ResultTable }>();

  /** Enters a number. */
  add(label: string, value: number, table: Pick<DataTable, 'uri' | 'truncated' | 'rows'>, group?: string): Figure {
    const full = `${label} in ${table.uri}${table.truncated ? ` (first ${table.rows.length} rows)` : ''}`;
    const id = this.#ids.get(full) ?? `f${this.#ids.size + 1}`;
    const figure = { id, label: full, value, source: table.uri, ...(group !== undefined && { group }) };
    this.#ids.set(full, id);
    this.#byId.set(id, figure);
    return figure;
  }

  /** Enters a table of figures; it is shown where one of them is used. */
  addTable(table: ResultTable, figures: readonly Figure[]): void {
    this.#tables.set(table.caption, { table, figures: figures.map(({ id }) => id) });
  }

  get(id: string): Figure | undefined {
    return this.#byId.get(id);
  }

  get all(): readonly Figure[] {
    return [...this.#byId.values()];
  }

  tablesWith(used: ReadonlySet<string>): ResultTable[] {
    return [...this.#tables.values()]
      .filter(({ figures }) => figures.some((id) => used.has(id)))
      .map(({ table }) => table);
  }
}
