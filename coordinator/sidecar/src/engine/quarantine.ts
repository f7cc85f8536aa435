import type { Logger } from '../logger.ts';
import { isTerminal, type Instance } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import { WorkflowStatus } from '../gen/durable_task_pb.ts';
import { markedId, QuarantineMarks, type TurnMark, type TurnName } from './quarantine-marks.ts';

/** A turn that was in progress at so many unclean ends in a row is run alone from then on. */
const ENDS_TO_ISOLATE = 2;
/** And at so many it is not run any more. */
const ENDS_TO_QUARANTINE = 3;

export interface Verdict {
  /** Instances whose turn has ended the process often enough. */
  readonly culprits: Instance[];
  /** Ids of instances whose turn must run alone, so that no neighbour's fault counts as theirs. */
  readonly suspects: string[];
}

/**
 * Finds the turn that kills the process. Workflow code runs in the process of the engine, so one that ends it (a native
 * crash, process.exit, out of memory) would end every process that takes the run up again, and with it all other runs.
 *
 * A turn in progress leaves a mark; a process that ends cleanly removes all marks. The next process believes a mark only
 * if the instance is still exactly there, so that any progress acquits it.
 */
export class Quarantine {
  readonly #store: Store;
  readonly #marks: QuarantineMarks;
  readonly #logger: Logger;
  readonly #earlierEnds = new Map<number, TurnMark>();
  #broken = false;

  constructor(path: string, store: Store, logger: Logger) {
    this.#store = store;
    this.#marks = new QuarantineMarks(path);
    this.#logger = logger;
  }

  /** Judges by the marks of the last process. Until `open` nothing is changed, so a crash in between judges again. */
  judge(): Verdict {
    const culprits: Instance[] = [];
    const suspects: string[] = [];
    for (const mark of this.#merge(this.#attempt(() => this.#marks.read()) ?? [])) {
      const instance = this.#instanceAt(mark);
      if (instance === undefined) continue;
      const ends = mark.inProgress ? mark.ends + 1 : mark.ends;
      // One that was only kept from running is still suspected; for any other the row of unclean ends is broken.
      if (!mark.inProgress && ends < ENDS_TO_ISOLATE) continue;
      if (ends >= ENDS_TO_QUARANTINE) {
        culprits.push(instance);
        continue;
      }
      this.#earlierEnds.set(mark.run, { ...mark, ends, inProgress: false });
      if (ends >= ENDS_TO_ISOLATE) suspects.push(instance.id);
    }
    return { culprits, suspects };
  }

  /** The verdict is carried out: from now on marks are those of this process. */
  open(): void {
    this.#attempt(() => this.#marks.replace([...this.#earlierEnds.values()]));
  }

  /** A turn is handed out. Returns its mark. */
  begin(turn: TurnName): number | undefined {
    const earlier = this.#earlierEnds.get(turn.run);
    const ends = earlier !== undefined && isSameTurn(earlier, turn) ? earlier.ends : 0;
    return this.#attempt(() => this.#marks.add({ ...turn, ends, inProgress: true }));
  }

  /** The turn is committed, or taken back from a worker that was lost. */
  end(mark: number | undefined): void {
    if (mark !== undefined) this.#attempt(() => this.#marks.remove(mark));
  }

  /** A suspect's turn takes so long that others go on beside it. Its mark stays: it is still in progress. */
  hangs(instanceId: string): void {
    this.#logger.warn({ instanceId }, 'a turn that may have ended earlier processes hangs; others go on beside it');
  }

  /** This process ends cleanly, or for a reason that is no turn's fault. */
  close(): void {
    this.#attempt(() => this.#marks.clear());
  }

  /** A suspect has a mark for what is known of it, and another while it is in progress. */
  #merge(marks: TurnMark[]): Iterable<TurnMark> {
    const byRun = new Map<number, TurnMark>();
    for (const mark of marks) {
      const known = byRun.get(mark.run);
      if (known === undefined || (mark.inProgress && !known.inProgress)) byRun.set(mark.run, mark);
    }
    return byRun.values();
  }

  #instanceAt(mark: TurnMark): Instance | undefined {
    const instance = this.#store.instances.byRun(mark.run);
    if (instance === undefined || !isSameTurn(mark, instance)) return undefined;
    return isTerminal(instance.status) || instance.status === WorkflowStatus.STALLED ? undefined : instance;
  }

  /** Marks guard against faulty workflow code. Where they cannot be written, sound code must still run. */
  #attempt<T>(write: () => T): T | undefined {
    try {
      return write();
    } catch (error) {
      if (!this.#broken) this.#logger.warn({ err: error }, 'turns in progress cannot be marked');
      this.#broken = true;
      return undefined;
    }
  }
}

function isSameTurn(mark: TurnName, turn: TurnName): boolean {
  return (
    mark.run === turn.run &&
    mark.historyLength === turn.historyLength &&
    markedId(mark.executionId) === markedId(turn.executionId)
  );
}
