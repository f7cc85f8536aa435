import { WorkflowStatus } from '../gen/durable_task_pb.ts';
import { isTerminal, type Instance, type NewInstance } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import { START_TIMER_ID } from '../store/timers.ts';
import {
  childCompleted,
  childFailed,
  encodeFailure,
  executionCompleted,
  executionStarted,
  executionTerminated,
} from './history-events.ts';
import type { Unit } from './unit.ts';
import { noSuchInstance, WorkflowError } from './workflow-error.ts';

/** How an instance ended. */
export interface End {
  readonly status: WorkflowStatus;
  readonly output: string | undefined;
  readonly failure: Uint8Array | undefined;
}

/**
 * Creates, ends and deletes instances. Every method runs inside a unit of work, so a child and its parent, or a tree that
 * is terminated, change in one commit and there is no moment between.
 */
export class Lifecycle {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws WorkflowError if the id is taken: by an active instance, or by one whose descendants are active. */
  create(instance: NewInstance, unit: Unit): void {
    const { instances, inbox, timers } = this.#store;
    const existing = instances.byId(instance.id);
    if (existing !== undefined) this.#clearForReuse(existing);
    const run = instances.insert(instance, unit.now);
    inbox.add(run, executionStarted(instance, unit.now));
    unit.statusChanged(instance.id, WorkflowStatus.PENDING);
    if (instance.held && instance.scheduledAt !== undefined) {
      timers.insert(run, START_TIMER_ID, instance.scheduledAt, null);
      unit.timerSet(instance.scheduledAt);
    } else {
      unit.wokenInstances.add(instance.id);
    }
  }

  /** Ends an instance and tells its parent, if that still waits in the generation that asked. */
  end(instance: Instance, end: End, historyLength: number, customStatus: string, unit: Unit): void {
    const { instances, inbox, timers } = this.#store;
    instances.complete(instance.run, end, historyLength, customStatus, unit.now);
    inbox.clear(instance.run);
    timers.clear(instance.run);
    unit.statusChanged(instance.id, end.status);
    if (instance.parentRun === null || instance.parentTaskId === null) return;
    const parent = instances.byRun(instance.parentRun);
    if (parent === undefined || isTerminal(parent.status) || parent.executionId !== instance.parentExecutionId) return;
    inbox.add(
      parent.run,
      end.status === WorkflowStatus.COMPLETED
        ? childCompleted(instance.parentTaskId, end.output, unit.now)
        : childFailed(instance.parentTaskId, end.failure ?? describeEnd(instance, end.status), unit.now),
    );
    unit.wokenInstances.add(parent.id);
  }

  /**
   * Ends an active instance as TERMINATED. The engine does it alone: workflow code is not told of its termination in any
   * case, so this needs no worker and wins over whatever turn is in flight, whose answer then finds the run over.
   */
  terminate(instance: Instance, output: string | undefined, recursive: boolean, unit: Unit): void {
    if (isTerminal(instance.status)) return;
    const { instances, history } = this.#store;
    const end: End = { status: WorkflowStatus.TERMINATED, output, failure: undefined };
    const { run, historyLength } = instance;
    history.append(run, historyLength, executionTerminated(output, recursive, unit.now));
    history.append(run, historyLength + 1, executionCompleted(end, unit.now));
    this.end(instance, end, historyLength + 2, instance.customStatus, unit);
    if (!recursive) return;
    for (const child of instances.children(run)) this.terminate(child, output, true, unit);
  }

  /** Deletes every row of an instance; the number of instances deleted. */
  purge(id: string, options: { recursive: boolean; force: boolean }): number {
    const instance = this.#store.instances.byId(id);
    if (instance === undefined) throw noSuchInstance();
    if (!options.force && !isTerminal(instance.status)) {
      throw new WorkflowError('NOT_COMPLETED', 'orchestration has not yet completed');
    }
    const children = options.recursive ? this.#store.instances.children(instance.run) : [];
    this.#store.instances.delete(instance.run);
    let purged = 1;
    for (const child of children) purged += this.purge(child.id, options);
    return purged;
  }

  #clearForReuse(existing: Instance): void {
    if (!isTerminal(existing.status)) {
      throw new WorkflowError('ALREADY_EXISTS', `an active workflow with ID '${existing.id}' already exists`);
    }
    if (this.#store.instances.hasLiveDescendant(existing.run)) {
      throw new WorkflowError('CHILDREN_ACTIVE', `workflow with ID '${existing.id}' has active child workflows`);
    }
    this.#store.instances.delete(existing.run);
  }
}

function describeEnd(instance: Instance, status: WorkflowStatus): Uint8Array {
  const how = status === WorkflowStatus.TERMINATED ? 'terminated' : 'not completed';
  return encodeFailure('ChildWorkflowNotCompleted', `child workflow '${instance.id}' was ${how}`);
}
