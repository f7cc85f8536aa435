import { z } from 'zod';

/** A value of a table. */
const Cell = z.union([z.string(), z.number(), z.null()]);

/** A row by its columns. */
export const Row = z.record(z.string().max(200), Cell);
export type Row = z.infer<typeof Row>;

/** Data with where it comes from: what one agent collects and another one works with. */
export const Source = z.strictObject({
  /** Names it within the collection: `file:sales.csv`, `table:orders`, `tool:weather/forecast`. */
  uri: z.string().min(1).max(600),
  kind: z.enum(['file', 'table', 'tool']),
  mediaType: z.string().min(1).max(100),
  /** What a file or a tool says. */
  text: z.string().max(200_000).optional(),
  /** What a table holds. */
  rows: z.array(Row).max(2_000).optional(),
  /** Whether there is more than what is here. */
  truncated: z.boolean(),
});
export type Source = z.infer<typeof Source>;
