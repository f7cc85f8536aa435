import { z } from 'zod';
import { RunError } from '../run-error.ts';

/** Keeps what ended a run. */
export const logError = {
  input: RunError,
  output: z.strictObject({ errorId: z.string() }),
};
