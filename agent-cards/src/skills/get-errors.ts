import { z } from 'zod';
import { RunError } from '../run-error.ts';

/** Reads what ended runs: one of them, or the last ones of all. */
export const getErrors = {
  input: z.strictObject({
    runId: RunError.shape.runId.optional(),
    limit: z.int().min(1).max(1_000).default(100),
  }),
  output: z.strictObject({
    /** The newest first. */
    errors: z.array(RunError.extend({ errorId: z.string(), at: z.iso.datetime() })),
  }),
};
