import { z } from 'zod';
import { Source } from '../source.ts';

const Name = z.string().min(1).max(200);

const TableRequest = z.strictObject({
  name: Name,
  /** All of them where it is missing. */
  columns: z.array(Name).min(1).max(100).optional(),
  /** All of them must hold. `like` takes `%` and `_`. */
  where: z
    .array(
      z.strictObject({
        column: Name,
        is: z.enum(['=', '!=', '<', '<=', '>', '>=', 'like']).default('='),
        value: z.union([z.string().max(1_000), z.number()]),
      }),
    )
    .max(20)
    .optional(),
  orderBy: z.strictObject({ column: Name, descending: z.boolean().default(false) }).optional(),
  limit: z.int().min(1).max(2_000).default(500),
});

const ToolRequest = z.strictObject({
  server: Name,
  tool: Name,
  arguments: z.record(z.string(), z.unknown()).default({}),
});

/**
 * Collects data by the tools of MCP servers. Where nothing is named, everything there is; with a topic, what mentions one
 * of its words, if anything does. What cannot be collected is a problem beside the sources that could.
 */
export const collectData = {
  input: z.strictObject({
    topic: z.string().min(1).max(500).optional(),
    /** Names within the data folder, or globs: `sales.csv`, `**\/*.md`. */
    files: z.array(z.string().min(1).max(500)).max(50).optional(),
    tables: z.array(TableRequest).max(20).optional(),
    /** Calls of other tools the agent is allowed to use. */
    tools: z.array(ToolRequest).max(20).optional(),
  }),
  output: z.strictObject({
    sources: z.array(Source).max(200),
    problems: z.array(
      z.strictObject({
        /** What was asked for. */
        source: z.string(),
        /** Such as PATH_NOT_ALLOWED, TOOL_NOT_ALLOWED, NOT_FOUND, DEADLINE_EXCEEDED. */
        code: z.string(),
        message: z.string(),
      }),
    ),
  }),
};
