import { StalledReason, type ExecutionStalledEvent } from '../gen/durable_task_pb.ts';
import type { Store } from '../store/store.ts';
import { errorTypeOf } from './history-events.ts';

/** Of the largest message: the rest is for what the engine and the transport add. As in daprd. */
const USABLE_PERCENT = 95;

/** The reason that is the engine's own: no worker and no limit helps, somebody has to resume the instance. */
export const QUARANTINED = 'quarantined';

/**
 * Why an instance cannot go on as things are, though nothing is lost: another worker or larger limits would let it. It
 * keeps its inbox, shows the reason in its history, and is tried again whenever a worker connects.
 */
export class Stall extends Error {
  readonly reason: StalledReason;

  constructor(reason: StalledReason, description: string) {
    super(description);
    this.name = 'Stall';
    this.reason = reason;
  }

  /** The event that tells of too much history is itself history, so there the size in the text does not count. */
  isSameAs({ reason, description }: ExecutionStalledEvent): boolean {
    if (reason !== this.reason) return false;
    return reason === StalledReason.PAYLOAD_SIZE_EXCEEDED || description === this.message;
  }
}

/** The reason as instances show it. */
export function nameOfReason(reason: StalledReason): string {
  switch (reason) {
    case StalledReason.PATCH_MISMATCH:
      return 'PATCH_MISMATCH';
    case StalledReason.VERSION_NOT_AVAILABLE:
      return 'VERSION_NOT_AVAILABLE';
    case StalledReason.PAYLOAD_SIZE_EXCEEDED:
      return 'PAYLOAD_SIZE_EXCEEDED';
    default:
      return String(reason);
  }
}

/** How much of a message the history and inbox of an instance, or the input of an activity, may fill. */
export function usableBytes(maxMessageBytes: number): number {
  return Math.floor((maxMessageBytes * USABLE_PERCENT) / 100);
}

export function turnTooLarge(sizeBytes: number, maxMessageBytes: number): Stall {
  return tooLarge(`Workflow payload size ${sizeBytes} bytes exceeds ${limitOf(maxMessageBytes)}`);
}

export function activityTooLarge(name: string, taskId: number, sizeBytes: number, maxMessageBytes: number): Stall {
  const what = `activity '${name}::${taskId}' payload ${sizeBytes} bytes`;
  return tooLarge(`${what} exceeds ${limitOf(maxMessageBytes)}: activity payload exceeds max gRPC body size`);
}

export function versionNotAvailable(version: string | null): Stall {
  return new Stall(StalledReason.VERSION_NOT_AVAILABLE, `Version not available: ${version ?? ''}`);
}

export function patchMismatch(known: readonly string[], reported: readonly string[]): Stall {
  const patches = `History patches: [${known.join(', ')}], current patches: [${reported.join(', ')}]. `;
  return new Stall(StalledReason.PATCH_MISMATCH, `Patch mismatch. ${patches}`);
}

/** Of a stalled instance. */
export function isQuarantined(store: Store, run: number): boolean {
  const { failure } = store.instances.payloads(run);
  return failure !== null && errorTypeOf(failure) === QUARANTINED;
}

function tooLarge(description: string): Stall {
  return new Stall(StalledReason.PAYLOAD_SIZE_EXCEEDED, description);
}

function limitOf(maxMessageBytes: number): string {
  const increase = 'increase maxMessageBytes (daprd --max-body-size) and restart to resume';
  return `${USABLE_PERCENT}% of max gRPC body size ${maxMessageBytes} bytes; ${increase}`;
}
