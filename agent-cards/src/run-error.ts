import { z } from 'zod';

/** What ended a run without a result. */
export const RunError = z.strictObject({
  runId: z.string().min(1).max(64),
  workflow: z.string().min(1).max(200),
  /** Such as `PEER_FAILED`. */
  code: z.string().min(1).max(100),
  message: z.string().max(10_000),
});
export type RunError = z.infer<typeof RunError>;
