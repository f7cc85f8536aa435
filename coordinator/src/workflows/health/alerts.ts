import { z } from 'zod';
import { TargetKind } from './reading.ts';
import type { Targets } from './targets.ts';

/** An alert that people were told about: some targets of one kind that failed together. */
export const OpenAlert = z.strictObject({ runId: z.string(), kind: TargetKind, targets: z.array(z.string()) });
export type OpenAlert = z.infer<typeof OpenAlert>;

/** When people were last told about a kind of target, in Unix milliseconds. */
export const LastRaised = z.partialRecord(TargetKind, z.number());
export type LastRaised = z.infer<typeof LastRaised>;

/**
 * The alerts that are due: one per kind, for everything of it that is down and not told yet. Within the quiet period
 * after the last one of the kind nothing is told; what is well again by then never is.
 */
export function dueAlerts(
  targets: Targets,
  open: readonly OpenAlert[],
  lastRaised: LastRaised,
  { now, quietMs }: { now: number; quietMs: number },
): Omit<OpenAlert, 'runId'>[] {
  const told = new Set(open.flatMap((alert) => alert.targets));
  const untold = Object.entries(targets).filter(([name, { isDown }]) => isDown && !told.has(name));
  return TargetKind.options.flatMap((kind) => {
    const names = untold.flatMap(([name, target]) => (target.kind === kind ? [name] : []));
    const elapsedMs = now - (lastRaised[kind] ?? Number.NEGATIVE_INFINITY);
    // A clock that was set back must not make it quiet for as long as that.
    const isQuiet = elapsedMs >= 0 && elapsedMs < quietMs;
    return names.length === 0 || isQuiet ? [] : [{ kind, targets: names }];
  });
}

/** The alerts of which nothing is down any more. */
export const overAlerts = (targets: Targets, open: readonly OpenAlert[]): OpenAlert[] =>
  open.filter((alert) => alert.targets.every((name) => targets[name]?.isDown !== true));
