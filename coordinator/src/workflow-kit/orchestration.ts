import type { CarriedEnvelope } from './contract.ts';

/**
 * What the kit needs of a workflow engine. The engine's composite tasks lose failures and do not nest, so the kit only
 * ever hands it one `anyOf` over leaf tasks, and looks at the leaves itself.
 */
export interface Orchestration {
  readonly instanceId: string;
  /** The time of the turn that is being (re)played. */
  now(): Date;
  activity(name: string, input: object): Leaf;
  timer(at: Date): Leaf;
  /** Starts a registered workflow as a child of this instance; complete when that has ended, however. */
  child(name: string, envelope: CarriedEnvelope, instanceId: string): Leaf;
  /** The next event of this name; names are compared in lower case. */
  event(name: string): Leaf;
  /** What the outermost generator yields to sleep until one of the leaves is complete. */
  anyOf(leaves: Wait): unknown;
  /** Ends this generation. Leftover events, and those still to come, reach the next one. */
  continueAsNew(envelope: CarriedEnvelope, leftovers: readonly ReceivedEvent[]): void;
  /** Removes the events that arrived and that nobody waited for. */
  takeUnawaited(matches: (name: string) => boolean): ReceivedEvent[];
  /** What the engine's own status API tells about the instance, beside its status. */
  showStatus(status: object): void;
  /** Logs once, not again when the turn is replayed. */
  warn(message: string, fields: Record<string, unknown>): void;
}

/** An event as it reached the instance. */
export interface ReceivedEvent {
  name: string;
  value: unknown;
}

/** An activity, a timer or an event. */
export interface Leaf {
  readonly isComplete: boolean;
  readonly isFailed: boolean;
  getResult(): unknown;
  getException(): Error;
}

/** Leaf tasks of which any may wake the one who waits. */
export type Wait = readonly Leaf[];

/** Workflow code: yields what it waits for, returns its result. Used with `yield*`. */
export type Step<T> = AsyncGenerator<Wait, T, void>;

/** Waits until at least one of the leaves is complete. */
export function* untilAny(leaves: Wait): Generator<Wait, void, void> {
  while (!leaves.some((leaf) => leaf.isComplete)) yield leaves;
}
