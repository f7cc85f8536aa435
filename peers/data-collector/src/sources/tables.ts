import type { collectData, Source } from '@daca-mesh/agent-cards';
import { MeshError } from '@daca-mesh/protocol';
import type { z } from 'zod';
import { QueryResult, quoted, TableDescription, TableList } from '../mcp/tables-server.ts';
import type { ToolReply, ToolServer } from '../mcp/tool-server.ts';

type TableRequest = NonNullable<z.output<typeof collectData.input>['tables']>[number];

/** The most characters that the rows of one source take. */
const maxChars = 256 * 1024;

/** The tables of a database, read by the tools of an MCP server. */
export interface Tables {
  names(signal: AbortSignal): Promise<string[]>;
  /** @throws MeshError `NOT_FOUND` for a table or column that is not there. */
  read(request: TableRequest, signal: AbortSignal): Promise<Source>;
}

/** @param server its tools `list_tables`, `describe_table` and `query` are used */
export const createTables = (server: ToolServer): Tables => {
  const names = async (signal: AbortSignal): Promise<string[]> =>
    parsed(TableList, await server.call('list_tables', {}, signal)).tables;
  return {
    names,
    read: async (request, signal) => {
      const { name } = request;
      const known = await names(signal);
      if (!known.includes(name)) {
        throw new MeshError('NOT_FOUND', `there is no table ${name}; there is ${known.join(', ')}`);
      }
      const description = parsed(TableDescription, await server.call('describe_table', { table: name }, signal));
      const select = toSelect(request, new Set(description.columns.map((column) => column.name)));
      const { rows, truncated } = parsed(QueryResult, await server.call('query', { ...select }, signal));
      return { uri: `table:${name}`, kind: 'table', mediaType: 'application/json', ...clipped(rows, truncated) };
    },
  };
};

/** A request as a SELECT: names are those of the table, values are bound. */
function toSelect(
  { name, columns, where = [], orderBy, limit }: TableRequest,
  known: ReadonlySet<string>,
): { sql: string; parameters: (string | number)[]; limit: number } {
  const column = (wanted: string): string => {
    if (known.has(wanted)) return quoted(wanted);
    throw new MeshError('NOT_FOUND', `the table ${name} has no column ${wanted}`);
  };
  const conditions = where.map((condition) => `${column(condition.column)} ${condition.is.toUpperCase()} ?`);
  const sql = [
    `SELECT ${columns === undefined ? '*' : columns.map(column).join(', ')} FROM ${quoted(name)}`,
    ...(conditions.length === 0 ? [] : [`WHERE ${conditions.join(' AND ')}`]),
    ...(orderBy === undefined ? [] : [`ORDER BY ${column(orderBy.column)}${orderBy.descending ? ' DESC' : ''}`]),
  ].join(' ');
  return { sql, parameters: where.map(({ value }) => value), limit };
}

function clipped(rows: z.infer<typeof QueryResult>['rows'], truncated: boolean) {
  let chars = 0;
  const fitting = rows.findIndex((row) => (chars += JSON.stringify(row).length) > maxChars);
  return fitting === -1 ? { rows, truncated } : { rows: rows.slice(0, fitting), truncated: true };
}

function parsed<T>(schema: z.ZodType<T>, { structured }: ToolReply): T {
  const result = schema.safeParse(structured);
  if (result.success) return result.data;
  throw new MeshError('PEER_FAILED', 'the MCP server answered in an unexpected form', { cause: result.error });
}
