import { z } from 'zod';

/** What people decided about the calls of a run, by call id; with `arguments` where they changed them. */
export const Decisions = z.record(
  z.string(),
  z.strictObject({ approved: z.boolean(), reason: z.string().optional(), arguments: z.unknown().optional() }),
);
export type Decisions = Readonly<z.infer<typeof Decisions>>;
