import { z } from 'zod';
import { type CheckResult, findProblem, type Limits, type Reading, TargetKind, WatchedDevice } from './reading.ts';

/** What is remembered of a target that is not simply well. */
const Target = z.strictObject({
  kind: TargetKind,
  /** The last looks, the newest last: `x` bad, `.` good. */
  recent: z.string().regex(/^[x.]*$/u),
  /** Bad for long enough to be told to people, and not yet good for long enough. */
  isDown: z.boolean(),
  /** What was last wrong with it. */
  problem: z.string(),
  device: WatchedDevice.optional(),
  /** Of the agent that it is, or that told of it. */
  origin: z.string().optional(),
});
type Target = z.infer<typeof Target>;

/** By name. Who is well is not in it, so that it stays small however much is watched. */
export const Targets = z.record(z.string(), Target);
export type Targets = z.infer<typeof Targets>;

/** When a target counts as down, and when as well again. */
export interface Hysteresis {
  /** Down after so many bad looks among the last `of`. */
  open: { bad: number; of: number };
  /** Well again after so many good looks in a row. */
  close: number;
}

/** The most targets of a kind that are remembered; more of them failing make the same alert. */
export const maxTargetsOfKind = 30;

/** Takes in what a check told. */
export function observe(
  targets: Targets,
  { readings, unread }: CheckResult,
  settings: { limits: Limits; hysteresis: Hysteresis },
): Targets {
  const next: Targets = {};
  const counts: Record<TargetKind, number> = { agent: 0, model: 0, device: 0 };
  const nameOf = namesBy(targets);
  const seen = new Map(readings.map((reading) => [nameOf(reading), reading]));
  // Those that are known come first: a crowd of new ones must not make anybody forget them.
  for (const name of new Set([...Object.keys(targets), ...seen.keys()])) {
    const known = targets[name];
    const reading = seen.get(name);
    const { device, origin = '' } = known ?? {};
    const isUnknown = !reading && device && [device.agent, origin].some((agent) => unread.includes(agent));
    const target = isUnknown ? known : lookAt(known, reading, settings);
    if (target && counts[target.kind]++ < maxTargetsOfKind) next[name] = target;
  }
  return next;
}

/** An agent that was down when the coordinator started has no name; it may be one that is known by where it is. */
function namesBy(targets: Targets): (reading: Reading) => string {
  const nameAt = new Map<string | undefined, string>();
  for (const [name, { kind, origin }] of Object.entries(targets)) {
    if (kind === 'agent' && origin !== undefined) nameAt.set(origin, name);
  }
  return ({ kind, origin, target }) => (kind === 'agent' ? nameAt.get(origin) : undefined) ?? target;
}

/** What is to be remembered of a target after one more look; undefined where it is well. */
function lookAt(
  known: Target | undefined,
  reading: Reading | undefined,
  { limits, hysteresis }: { limits: Limits; hysteresis: Hysteresis },
): Target | undefined {
  const problem = reading && findProblem(reading, limits, known?.recent.endsWith('x') ?? false);
  const kind = reading?.kind ?? known?.kind;
  if (!kind || (!known && problem === undefined)) return undefined;
  const kept = Math.max(hysteresis.open.of, hysteresis.close);
  const recent = `${known?.recent ?? ''}${problem === undefined ? '.' : 'x'}`.slice(-kept);
  const isDown = known?.isDown ? !isGood(recent, hysteresis) : isBad(recent, hysteresis);
  // What led to the alert is not counted again after it.
  if (known?.isDown && !isDown) return undefined;
  if (!isDown && !recent.includes('x')) return undefined;
  const device = reading?.device ?? known?.device;
  const origin = reading?.origin ?? known?.origin;
  return {
    kind,
    recent,
    isDown,
    problem: problem ?? known?.problem ?? '',
    ...(device ? { device } : {}),
    ...(origin === undefined ? {} : { origin }),
  };
}

const isBad = (recent: string, { open }: Hysteresis): boolean =>
  recent.slice(-open.of).replaceAll('.', '').length >= open.bad;

const isGood = (recent: string, { close }: Hysteresis): boolean => recent.endsWith('.'.repeat(close));
