import type { WorkflowVersion } from '../gen/durable_task_pb.ts';
import type { Instance } from '../store/instances.ts';
import { patchMismatch } from './stall.ts';

/** What a turn says about the version of the code that ran it, and what the instance is to remember of it. */
export interface CodeVersion {
  /** For the event that starts the turn: the patches that are new with it. */
  readonly started: { readonly name: string | undefined; readonly patches: string[] };
  readonly name: string | null;
  readonly patches: string | null;
}

/**
 * Undefined if the worker says nothing, as SDKs without versions do. Code that has taken a patch once must take it in every
 * later turn, and in the same order: the patches of the history are the beginning of those reported.
 *
 * @throws Stall if the code is of another version: older, or not a successor.
 */
export function toCodeVersion(instance: Instance, reported: WorkflowVersion | undefined): CodeVersion | undefined {
  // Written by this function alone.
  const known = instance.patches === null ? [] : (JSON.parse(instance.patches) as string[]);
  const patches = reported?.patches ?? [];
  if (known.some((patch, index) => patch !== patches[index])) throw patchMismatch(known, patches);
  if (reported === undefined) return undefined;
  return {
    started: { name: reported.name, patches: patches.slice(known.length) },
    name: reported.name ?? instance.version,
    patches: patches.length === 0 ? null : JSON.stringify(patches),
  };
}
