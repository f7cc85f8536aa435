import { env } from 'node:process';

/** How long the random tests run. A failure prints its seed; the same seed repeats the run. */
export const config = {
  /** Random kills, besides one at every named point. */
  kills: Number(env['SIDECAR_TEST_KILLS'] ?? 10),
  /** Operations of the model test. */
  steps: Number(env['SIDECAR_TEST_STEPS'] ?? 600),
  seed: Number(env['SIDECAR_TEST_SEED'] ?? Date.now() % 1_000_000),
} as const;
