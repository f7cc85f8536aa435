import { WorkflowStatus } from '../gen/durable_task_pb.ts';
import { isTerminal, type Instance, type NewInstance } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import { START_TIMER_ID } from '../store/timers.ts';
import {
  childCompleted,
  childFailed,
  encodeFailure,
  EventKind,
  executionCompleted,
  executionStarted,
  executionTerminated,
} from './history-events.ts';
import { checkInstanceId } from './instance-id.ts';
import { isQuarantined } from './stall.ts';
import type { Unit } from './unit.ts';
import { instanceStalled, noSuchInstance, notCompleted, WorkflowError } from './workflow-error.ts';

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

  /** @throws WorkflowError if the id is invalid or taken: by an active instance, or by one whose descendants are active. */
  create(instance: NewInstance, unit: Unit): void {
    unit.steps?.push(instance.parent === undefined ? 'start' : 'child-create');
    const { instances, inbox, timers } = this.#store;
    checkInstanceId(instance.id);
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
    unit.steps?.push('child-finish');
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
    const { instances, history } = this.#store;
    const end: End = { status: WorkflowStatus.TERMINATED, output, failure: undefined };
    // A list instead of recursion: families may be deeper than the stack.
    const family = [instance];
    for (const member of family) {
      if (isTerminal(member.status)) continue;
      unit.steps?.push('terminate');
      const { run, historyLength } = member;
      history.append(run, historyLength, executionTerminated(output, recursive, unit.now));
      history.append(run, historyLength + 1, executionCompleted(end, unit.now));
      this.end(member, end, historyLength + 2, member.customStatus, unit);
      if (recursive) for (const child of instances.children(member)) family.push(child);
    }
  }

  /**
   * Gives an active instance no more turns until it is resumed (or `unstall` is called). Nothing it has is touched, and what
   * arrives for it is kept.
   */
  stall(instance: Instance, reason: string, description: string, unit: Unit): void {
    this.#store.instances.stall(instance.run, encodeFailure(reason, description), unit.now);
    unit.statusChanged(instance.id, WorkflowStatus.STALLED);
    unit.stalls.push({ id: instance.id, reason });
  }

  /** Lets a stalled instance try again. */
  unstall(instance: Instance, unit: Unit): void {
    if (instance.status !== WorkflowStatus.STALLED) return;
    const status = this.#statusBeforeStall(instance);
    this.#store.instances.unstall(instance.run, status, unit.now);
    unit.statusChanged(instance.id, status);
    unit.wokenInstances.add(instance.id);
  }

  /** As daprd, which answers nothing for an instance that waits for another worker; a quarantined one takes everything. */
  refuseIfStalled(instance: Instance): void {
    if (instance.status !== WorkflowStatus.STALLED || isQuarantined(this.#store, instance.run)) return;
    throw instanceStalled(instance.id);
  }

  /** Deletes every row of an instance, and of its children if asked to; the number of instances deleted. */
  purge(id: string, options: { recursive: boolean; force: boolean }): number {
    const instance = this.#store.instances.byId(id);
    if (instance === undefined && options.recursive) {
      throw new WorkflowError('NOT_FOUND', `failed to fetch workflow state: ${noSuchInstance().message}`);
    }
    if (instance === undefined) throw noSuchInstance();
    if (!options.force && !options.recursive) this.refuseIfStalled(instance);
    const purged = this.#tree(instance, options);
    for (const { run } of purged) this.#store.instances.delete(run);
    return purged.length;
  }

  /** What a purge takes along. @throws WorkflowError if some of it has not ended and is not to be forced. */
  #tree(instance: Instance, options: { recursive: boolean; force: boolean }): Instance[] {
    const tree: Instance[] = [];
    const open = [{ member: instance, depth: 0 }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { member, depth } = next;
      if (!options.force && !isTerminal(member.status)) {
        throw notCompleted('failed to purge child workflow: '.repeat(depth));
      }
      tree.push(member);
      if (!options.recursive) break;
      for (const child of this.#store.instances.children(member).toReversed()) {
        open.push({ member: child, depth: depth + 1 });
      }
    }
    return tree;
  }

  /** Whether it was suspended follows from what was asked for, and from what of that no turn has taken yet. */
  #statusBeforeStall(instance: Instance): WorkflowStatus {
    const { executionSuspended, executionResumed } = EventKind;
    const waiting = this.#store.inbox.firstKind(instance.run, executionSuspended, executionResumed);
    const suspended = waiting === undefined ? instance.suspendRequested === 1 : waiting === executionResumed;
    return suspended ? WorkflowStatus.SUSPENDED : WorkflowStatus.RUNNING;
  }

  #clearForReuse(existing: Instance): void {
    if (!isTerminal(existing.status)) {
      throw new WorkflowError('ALREADY_EXISTS', `an active workflow with ID '${existing.id}' already exists`);
    }
    const live = this.#liveDescendant(existing);
    if (live !== undefined) {
      throw new WorkflowError('ALREADY_EXISTS', `cannot recreate workflow with ID '${existing.id}': ${live}`);
    }
    this.#store.instances.delete(existing.run);
  }

  /** The way to a descendant that is still active, in daprd's words. */
  #liveDescendant(instance: Instance): string | undefined {
    const open = [{ member: instance, path: '' }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { member, path } = next;
      if (!isTerminal(member.status)) return notCompleted(path).message;
      for (const child of this.#store.instances.children(member).toReversed()) {
        open.push({ member: child, path: `${path}child workflow '${child.id}': ` });
      }
    }
    return undefined;
  }
}

function describeEnd(instance: Instance, status: WorkflowStatus): Uint8Array {
  const how = status === WorkflowStatus.TERMINATED ? 'terminated' : 'not completed';
  return encodeFailure('ChildWorkflowNotCompleted', `child workflow '${instance.id}' was ${how}`);
}
