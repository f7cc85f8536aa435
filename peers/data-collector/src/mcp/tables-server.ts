import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

const maxRows = 2_000;
const maxCellChars = 4_000;

const Column = z.object({ name: z.string(), type: z.string() });
const Parameter = z.union([z.string(), z.number(), z.null()]);

/** What `list_tables` gives. */
export const TableList = z.object({ tables: z.array(z.string()) });
/** What `describe_table` gives. */
export const TableDescription = z.object({ columns: z.array(Column), rowCount: z.int() });
/** What `query` gives. */
export const QueryResult = z.object({
  columns: z.array(z.string()),
  rows: z.array(z.record(z.string(), Parameter)),
  truncated: z.boolean(),
});

/**
 * An MCP server for the tables of a database that was opened for reading only. The engine refuses to write; statements
 * that are no single SELECT are refused before, with a reason.
 */
export function createTablesServer(database: DatabaseSync): McpServer {
  const server = new McpServer({ name: 'tables', version: '0.1.0' });
  const annotations = { readOnlyHint: true, openWorldHint: false };

  server.registerTool(
    'list_tables',
    { description: 'The names of the tables and views.', outputSchema: TableList, annotations },
    () => reply({ tables: tableNames(database) }),
  );

  server.registerTool(
    'describe_table',
    {
      description: 'The columns of a table with their types, and how many rows it has.',
      inputSchema: z.object({ table: z.string() }),
      outputSchema: TableDescription,
      annotations,
    },
    ({ table }) => reply(describe(database, table)),
  );

  server.registerTool(
    'query',
    {
      description: 'Executes one SELECT; values are bound to its question marks.',
      inputSchema: z.object({
        sql: z.string().min(1).max(20_000),
        parameters: z.array(Parameter).max(100).default([]),
        limit: z.int().min(1).max(maxRows).default(100),
      }),
      outputSchema: QueryResult,
      annotations,
    },
    ({ sql, parameters, limit }) => reply(select(database, sql, parameters, limit)),
  );
  return server;
}

const reply = <T extends Record<string, unknown>>(structuredContent: T) => ({
  content: [{ type: 'text' as const, text: JSON.stringify(structuredContent) }],
  structuredContent,
});

const tableNames = (database: DatabaseSync): string[] =>
  database
    .prepare(
      `SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name`,
    )
    .all()
    .map(({ name }) => String(name));

function describe(database: DatabaseSync, table: string): z.infer<typeof TableDescription> {
  if (!tableNames(database).includes(table)) throw new Error(`there is no table ${table.slice(0, 200)}`);
  const columns = database
    .prepare('SELECT name, type FROM pragma_table_info(?)')
    .all(table)
    .map(({ name, type }) => ({ name: String(name), type: String(type) }));
  const count = database.prepare(`SELECT count(*) AS count FROM ${quoted(table)}`).get();
  return { columns, rowCount: Number(count?.['count'] ?? 0) };
}

function select(
  database: DatabaseSync,
  sql: string,
  parameters: readonly SQLInputValue[],
  limit: number,
): z.infer<typeof QueryResult> {
  const text = sql.trim().replace(/;$/, '');
  if (!/^(?:select|with)\b/i.test(text)) throw new Error('only SELECT is possible');
  const statement = database.prepare(text);
  // SQLite compiles the first statement and leaves the rest.
  if (statement.sourceSQL.length < text.length) throw new Error('only one statement is possible');
  const columns = statement.columns().map(({ name }) => name);
  if (columns.length === 0) throw new Error('only SELECT is possible');
  const rows: z.infer<typeof QueryResult>['rows'] = [];
  for (const row of statement.iterate(...parameters)) {
    if (rows.length === limit) return { columns, rows, truncated: true };
    rows.push(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, toCell(value)])));
  }
  return { columns, rows, truncated: false };
}

function toCell(value: SQLOutputValue): string | number | null {
  if (value === null || (typeof value === 'number' && Number.isFinite(value))) return value;
  // Integers come as BigInt, since SQLite has larger ones than a number can hold.
  if (typeof value === 'bigint' && Number.isSafeInteger(Number(value))) return Number(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return String(value).slice(0, maxCellChars);
}

/** A name as SQL takes it, whatever is in it. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
