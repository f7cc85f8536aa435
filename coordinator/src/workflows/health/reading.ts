import { DeviceHealth, DeviceKind } from '@daca-mesh/agent-cards';
import { z } from 'zod';

/** What is watched; failures of one kind at a time are one alert. */
export const TargetKind = z.enum(['agent', 'model', 'device']);
export type TargetKind = z.infer<typeof TargetKind>;

/** A device, and the agent it is reached by. */
export const WatchedDevice = z.strictObject({
  kind: DeviceKind,
  deviceId: z.string(),
  agent: z.string(),
  health: DeviceHealth,
});
export type WatchedDevice = z.infer<typeof WatchedDevice>;

/** What an alert has room for. */
export const maxTargetChars = 500;
export const maxProblemChars = 2_000;
/** What is taken of the name of an agent, which it gives itself. */
export const maxNameChars = 150;

/** What one look at one target told. */
export const Reading = z.strictObject({
  /** `agent:writer`, `model`, `device:device-light/hall`. */
  target: z.string(),
  kind: TargetKind,
  /** Bad whatever else was measured: out of reach, refused, failed. */
  problem: z.string().optional(),
  latencyMs: z.number().optional(),
  /** Share of the recent calls that failed, 0 to 1; absent where there were too few. */
  errorRate: z.number().optional(),
  device: WatchedDevice.optional(),
  /** Where the agent is that was looked at, or that told of it: it has no name while its card was never fetched. */
  origin: z.string().optional(),
});
export type Reading = z.infer<typeof Reading>;

/** What one check of everything told. A target that is not in it is well, or gone. */
export const CheckResult = z.strictObject({
  readings: z.array(Reading),
  /** Agents, by name or origin, that did not tell how all of their devices are: of those without a reading nothing is known. */
  unread: z.array(z.string()),
});
export type CheckResult = z.infer<typeof CheckResult>;

/** From where on a measurement is bad. */
export interface Limits {
  latencyMs: number;
  errorRate: number;
}

/** What has been bad is good again only clearly below its limit, so that a value close to it does not flap. */
const easing = 0.8;

/** What is wrong with a target, in words; undefined where nothing is. */
export function findProblem(
  { problem, latencyMs = 0, errorRate = 0 }: Reading,
  limits: Limits,
  wasBad: boolean,
): string | undefined {
  if (problem !== undefined) return problem;
  const factor = wasBad ? easing : 1;
  if (latencyMs > limits.latencyMs * factor) return `answers after ${Math.round(latencyMs)} ms`;
  if (errorRate > limits.errorRate * factor) return `${Math.round(errorRate * 100)} % of its recent calls failed`;
  return undefined;
}
