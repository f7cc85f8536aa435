import type { MeshError } from '@daca-mesh/protocol';
import { Branch } from './branch.ts';
import type { ActivityScope } from './contract.ts';
import type { Events } from './events.ts';
import type { Origin } from './identity.ts';
import type { OpenWork } from './open-work.ts';
import type { Orchestration, Step } from './orchestration.ts';
import type { Undo } from './undo-list.ts';

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
  /** Calls, questions and waits whose end is not known yet. */
  readonly open = new Set<OpenWork>();
  /** What is to be undone if the run does not complete, oldest first. */
  readonly undos: Undo[] = [];
  /** Undoing: its calls go out although the run is being canceled, and are tried harder. */
  compensating = false;
  /** Set by `continueAsNew`. */
  next: { input: unknown } | undefined;
  /** Set when a recorded result does not belong to the step that reads it. */
  mismatch: MeshError | undefined;
  /** The branch whose code is running right now. */
  branch = new Branch('');
  #refusals = 0;

  constructor(orchestration: Orchestration, origin: Origin, events: Events) {
    this.orchestration = orchestration;
    this.runId = origin.runId;
    this.generation = origin.generation;
    this.events = events;
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

  scope(): ActivityScope {
    return { runId: this.runId, generation: this.generation, seen: this.events.seen() };
  }
}
