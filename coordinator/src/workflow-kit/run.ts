import { isMeshError, type MeshError } from '@daca-mesh/protocol';
import { Branch } from './branch.ts';
import type { ActivityScope } from './contract.ts';
import type { Events } from './events.ts';
import type { Origin } from './identity.ts';
import type { OpenWork } from './open-work.ts';
import type { Leaf, Orchestration, Step, Wait } from './orchestration.ts';
import type { Carried, Payloads } from './payloads.ts';
import type { Undo } from './undo-list.ts';
import type { WorkflowDefinition } from './workflow.ts';

/** How many refused steps a canceled run may try before it is no longer asked. */
const patience = 100;

/** Where a step stands. */
export interface Place {
  branch: Branch;
  path: string;
}

/** The state of one generation of a run, rebuilt by every replay. */
export class Run implements Origin {
  readonly orchestration: Orchestration;
  readonly runId: string;
  readonly generation: number;
  readonly events: Events;
  readonly payloads: Payloads;
  /** The run at the top of the tree, where this is a child. */
  readonly root: string | undefined;
  /** The workflows it may run as children. */
  readonly uses: readonly WorkflowDefinition[];
  /** Calls, questions and waits whose end is not known yet. */
  readonly open = new Set<OpenWork>();
  /** What is to be undone if the run does not complete, oldest first. */
  readonly undos: Undo[] = [];
  /** Undoing: its calls go out although the run is being canceled, and are tried harder. */
  compensating = false;
  /** Set by `continueAsNew`. */
  next: { input: unknown; sameGeneration?: boolean } | undefined;
  /** Why this code, or this process, cannot go on with the run, or must not: whatever the workflow makes of the error. */
  halted: MeshError | undefined;
  /** The start token, until an activity has shown it to the run's row. */
  claiming: string | undefined;
  /** How often the run was asked to try again. */
  resumes = 0;
  /**
   * Canceled before this instance began, after an earlier one had done something: the steps that were taken are gone
   * through again, so that they can be undone, without waiting for the clock.
   */
  retracing = false;
  readonly #activities = new WeakSet<Leaf>();
  /** The branch whose code is running right now. */
  branch = new Branch('');
  #refusals = 0;

  constructor(
    orchestration: Orchestration,
    start: Origin & { root?: string | undefined },
    events: Events,
    payloads: Payloads,
    uses: readonly WorkflowDefinition[],
  ) {
    this.orchestration = orchestration;
    this.runId = start.runId;
    this.generation = start.generation;
    this.root = start.root;
    this.uses = uses;
    this.events = events;
    this.payloads = payloads;
  }

  /** Begins a step of the current branch; every primitive starts with it. Throws where the branch was aborted. */
  async *enter(): Step<Place> {
    const { branch } = this;
    const { refusal } = branch;
    // Code that swallows the refusal and tries again for ever would block the process: it is parked instead.
    if (refusal && ++this.#refusals > patience) yield [];
    if (refusal) throw refusal;
    return { branch, path: branch.nextPath() };
  }

  /** Runs code of another branch. Branches advance one at a time, so this is all the context that is needed. */
  async inBranch<T>(branch: Branch, code: () => Promise<T>): Promise<T> {
    const outer = this.branch;
    this.branch = branch;
    try {
      return await code();
    } finally {
      this.branch = outer;
    }
  }

  /** What was done so far stays done: by the item of a map whose code this is, or else by the whole run. */
  commit(): void {
    const { item } = this.branch;
    const kept = item ? this.undos.filter(({ branch }) => !branch.isWithin(item)) : [];
    this.undos.splice(0, this.undos.length, ...kept);
  }

  /** Leaves the run as it is, for an operator, a newer worker or another instance. The caller throws what this returns. */
  halt(error: MeshError): MeshError {
    this.halted ??= error;
    return this.halted;
  }

  /** The value that was carried. One that is gone stalls the run. */
  async unpack<Name extends string, Value>(name: Name, carrier: Carried<Name, Value>): Promise<Value> {
    try {
      return await this.payloads.unpack(name, carrier);
    } catch (error) {
      throw isMeshError(error) && error.code === 'PAYLOAD_MISSING' ? this.halt(error) : error;
    }
  }

  /** Tells activities from what the world decides about: answers, events, children. */
  noteActivity(leaf: Leaf): void {
    this.#activities.add(leaf);
  }

  /** Whether a canceled run that is gone through again has come to its end: to what nobody knows the outcome of. */
  hasRetraced(waits: Wait): boolean {
    return this.retracing && !waits.some((leaf) => leaf.isComplete || this.#activities.has(leaf));
  }

  scope(): ActivityScope {
    const { runId, generation, claiming: token } = this;
    return { runId, generation, seen: this.events.seen(), ...(token === undefined ? {} : { token }) };
  }
}
