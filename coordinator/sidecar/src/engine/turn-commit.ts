import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  WorkflowStatus,
  WorkItemSchema,
  type CompleteWorkflowAction,
  type CreateDetachedWorkflowAction,
  type CreateChildWorkflowAction,
  type CreateTimerAction,
  type ScheduleTaskAction,
  type SendEventAction,
  type WorkflowAction,
  type WorkflowResponse,
} from '../gen/durable_task_pb.ts';
import type { InboxRow } from '../store/inbox.ts';
import { isTerminal, type Instance } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import { toCodeVersion, type CodeVersion } from './code-version.ts';
import {
  childFailed,
  encodeEvent,
  encodeFailure,
  EventKind,
  eventRaised,
  executionCompleted,
  executionStalled,
  executionStarted,
  executionSuspended,
  timerFired,
  toMs,
  toStalled,
  withVersion,
} from './history-events.ts';
import type { End, Lifecycle } from './lifecycle.ts';
import { activityTooLarge, nameOfReason, usableBytes, versionNotAvailable, type Stall } from './stall.ts';
import type { Turn } from './turn-queue.ts';
import type { Unit } from './unit.ts';
import { WorkflowError, type WorkflowErrorCode } from './workflow-error.ts';

/** Kinds of waiting events that mean something to the next generation; results belong to the one that asked for them. */
const CARRIED_OVER: ReadonlySet<number> = new Set([
  EventKind.eventRaised,
  EventKind.executionSuspended,
  EventKind.executionResumed,
]);

/** What daprd calls the failure of a child that could not be created. */
const CHILD_ERROR_TYPES: Readonly<Partial<Record<WorkflowErrorCode, string>>> = {
  ALREADY_EXISTS: 'WorkflowInstanceAlreadyExists',
};

/**
 * Turns the answer to a turn into rows, all in one unit of work: the turn's events move from the inbox to the history, and
 * each action leaves its event and whatever it asks for (a task, a timer, a child, an event for someone else).
 */
export class TurnCommit {
  readonly #store: Store;
  readonly #lifecycle: Lifecycle;
  readonly #maxMessageBytes: number;

  constructor(store: Store, lifecycle: Lifecycle, maxMessageBytes: number) {
    this.#store = store;
    this.#lifecycle = lifecycle;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** @throws Stall if the instance cannot go on with this worker or these limits; then nothing may be kept of the answer. */
  apply(turn: Turn, answer: WorkflowResponse, unit: Unit): void {
    const instance = this.#unstalled(this.#current(turn), unit);
    if (instance === undefined) return;
    unit.steps?.push('turn');
    const customStatus = answer.customStatus ?? instance.customStatus;
    const completion = findCompletion(answer.actions);
    const batch = this.#store.inbox.take(instance.run, turn.lastInboxId);
    const suspended = isSuspendedAfter(instance, batch);
    if (completion?.value.workflowStatus === WorkflowStatus.CONTINUED_AS_NEW) {
      this.#continueAsNew(instance, completion.value, customStatus, suspended, unit);
      return;
    }
    const version = toCodeVersion(instance, answer.version);
    if (version !== undefined) this.#store.instances.setVersion(instance.run, version.name, version.patches);
    let length = this.#appendTurn(instance, turn, batch, version);
    for (const action of answer.actions) {
      const event = this.act(instance, action, unit);
      if (event === undefined) continue;
      this.#store.history.append(instance.run, length, event);
      length += 1;
    }
    if (completion === undefined) {
      const status = suspended ? WorkflowStatus.SUSPENDED : WorkflowStatus.RUNNING;
      this.#store.instances.advance(instance.run, status, length, customStatus, unit.now);
      unit.statusChanged(instance.id, status);
    } else {
      this.#lifecycle.end(instance, toEnd(completion.value), length, customStatus, unit);
    }
    this.#terminateOthers(answer.actions, unit);
  }

  /** The instance waits as it is, and shows why: once, however often it is tried again. */
  stall(turn: Turn, stall: Stall, unit: Unit): void {
    const instance = this.#current(turn);
    if (instance === undefined) return;
    const { history, instances } = this.#store;
    const { run, historyLength } = instance;
    const last = history.last(run);
    const known = last && toStalled(last);
    if (known !== undefined && stall.isSameAs(known)) {
      if (instance.status === WorkflowStatus.STALLED) return;
    } else {
      history.append(run, historyLength, executionStalled(stall.reason, stall.message, unit.now));
      instances.advance(run, instance.status, historyLength + 1, instance.customStatus, unit.now);
    }
    this.#lifecycle.stall(instance, nameOfReason(stall.reason), stall.message, unit);
  }

  /** Ends the instance visibly when an answer cannot be applied: the alternative is an instance that hangs for ever. */
  fail(turn: Turn, errorType: string, message: string, unit: Unit): void {
    const instance = this.#current(turn);
    if (instance === undefined) return;
    const end = {
      status: WorkflowStatus.FAILED,
      output: undefined,
      failure: encodeFailure(errorType, message),
    };
    const length = this.#appendTurn(instance, turn, this.#store.inbox.take(instance.run, turn.lastInboxId));
    this.#store.history.append(instance.run, length, executionCompleted(end, unit.now));
    this.#lifecycle.end(instance, end, length + 1, instance.customStatus, unit);
  }

  /** Undefined if the turn was overtaken: its instance ended, was purged or recreated in the meantime. */
  #current(turn: Turn): Instance | undefined {
    const instance = this.#store.instances.byRun(turn.run);
    if (instance === undefined || isTerminal(instance.status)) return undefined;
    return instance.executionId === turn.executionId ? instance : undefined;
  }

  /** A stalled instance whose turn was tried again, and with success. */
  #unstalled(instance: Instance | undefined, unit: Unit): Instance | undefined {
    if (instance?.status !== WorkflowStatus.STALLED) return instance;
    this.#lifecycle.unstall(instance, unit);
    return this.#store.instances.byRun(instance.run);
  }

  /** Appends what a turn was given to the history; how long that is now. */
  #appendTurn(instance: Instance, turn: Turn, batch: readonly InboxRow[], version?: CodeVersion): number {
    const { history } = this.#store;
    let length = instance.historyLength;
    const started = version === undefined ? turn.started : withVersion(turn.started, version.started);
    history.append(instance.run, length++, started);
    for (const { event } of batch) history.append(instance.run, length++, event);
    return length;
  }

  /** Does what an action asks for. Returns the event that it leaves in the history, if any. */
  act(instance: Instance, action: WorkflowAction, unit: Unit): Uint8Array | undefined {
    switch (action.action.case) {
      case 'scheduleTask':
        return this.#scheduleTask(instance, action.id, action.action.value, unit);
      case 'createTimer':
        return this.#createTimer(instance, action.id, action.action.value, unit);
      case 'createChildWorkflow':
        return this.#createChild(instance, action.id, action.action.value, unit);
      case 'sendEvent':
        return this.#sendEvent(action.id, action.action.value, unit);
      case 'createDetachedWorkflow':
        return this.#createDetached(action.id, action.action.value, unit);
      case 'completeWorkflow':
        return executionCompleted(toEnd(action.action.value), unit.now, action.id);
      case 'versionNotAvailable':
        throw versionNotAvailable(instance.version);
      case 'terminateWorkflow':
        return undefined;
      case undefined:
      default:
        action.action satisfies { case: undefined };
        throw new TypeError(`the worker answered with action ${action.id} of a kind this sidecar does not know`);
    }
  }

  #scheduleTask(instance: Instance, taskId: number, action: ScheduleTaskAction, unit: Unit): Uint8Array {
    const { run, id: instanceId, executionId } = instance;
    const { name, version, input } = action;
    const taskExecutionId = action.taskExecutionId || randomUUID();
    const workItem = create(WorkItemSchema, {
      request: {
        case: 'activityRequest',
        value: { name, version, input, workflowInstance: { instanceId, executionId }, taskId, taskExecutionId },
      },
      completionToken: taskExecutionId,
    });
    const bytes = toBinary(WorkItemSchema, workItem);
    if (bytes.length > usableBytes(this.#maxMessageBytes)) {
      throw activityTooLarge(name, taskId, bytes.length, this.#maxMessageBytes);
    }
    unit.newTasks.push(this.#store.tasks.insert({ run, executionId, instanceId, taskId, workItem: bytes }));
    return encodeEvent({ case: 'taskScheduled', value: { name, version, input, taskExecutionId } }, unit.now, taskId);
  }

  #createTimer(instance: Instance, timerId: number, action: CreateTimerAction, unit: Unit): Uint8Array {
    const { fireAt, name, origin } = action;
    if (fireAt === undefined) throw new TypeError(`timer ${timerId} has no time`);
    const fireAtMs = toMs(fireAt);
    this.#store.timers.insert(instance.run, timerId, fireAtMs, timerFired(timerId, fireAt, unit.now).bytes);
    unit.timerSet(fireAtMs);
    return encodeEvent(
      { case: 'timerCreated', value: { fireAt, origin, ...(name !== undefined && { name }) } },
      unit.now,
      timerId,
    );
  }

  #createChild(instance: Instance, taskId: number, action: CreateChildWorkflowAction, unit: Unit): Uint8Array {
    const { name, version, input } = action;
    const id = action.instanceId || `${instance.id}:${taskId.toString(16).padStart(4, '0')}`;
    const parent = { instance, taskId };
    try {
      this.#lifecycle.create(
        { id, executionId: randomUUID(), name, version, input, scheduledAt: undefined, held: false, parent },
        unit,
      );
    } catch (error) {
      if (!(error instanceof WorkflowError)) throw error;
      const failure = encodeFailure(CHILD_ERROR_TYPES[error.code] ?? error.code, error.message);
      this.#store.inbox.add(instance.run, childFailed(taskId, failure, unit.now));
      unit.wokenInstances.add(instance.id);
    }
    return encodeEvent(
      { case: 'childWorkflowCreated', value: { instanceId: id, name, version, input } },
      unit.now,
      taskId,
    );
  }

  #sendEvent(actionId: number, action: SendEventAction, unit: Unit): Uint8Array {
    const { name, data: input } = action;
    const instanceId = action.instance?.instanceId ?? '';
    const target = this.#store.instances.byId(instanceId);
    if (target !== undefined && !isTerminal(target.status)) {
      this.#store.inbox.add(target.run, eventRaised(name, input, unit.eventTime()));
      unit.wokenInstances.add(target.id);
    }
    return encodeEvent({ case: 'eventSent', value: { instanceId, name, input } }, unit.now, actionId);
  }

  /** An instance of its own: nobody waits for it, and it dies with nobody. */
  #createDetached(actionId: number, action: CreateDetachedWorkflowAction, unit: Unit): Uint8Array {
    const { instanceId: id, name, version, input, scheduledStartTimestamp } = action;
    if (id === '') throw new TypeError('CreateDetachedWorkflowAction requires an instance ID');
    const executionId = action.executionId || randomUUID();
    const scheduledAt = scheduledStartTimestamp && toMs(scheduledStartTimestamp);
    const held = scheduledAt !== undefined && scheduledAt > unit.now;
    this.#lifecycle.create({ id, executionId, name, version, input, scheduledAt, held, parent: undefined }, unit);
    return encodeEvent({ case: 'detachedWorkflowCreated', value: { instanceId: id } }, unit.now, actionId);
  }

  /** After everything else, because the instance that asks may itself be meant. */
  #terminateOthers(actions: WorkflowAction[], unit: Unit): void {
    for (const { action } of actions) {
      if (action.case !== 'terminateWorkflow') continue;
      const { instanceId, reason, recurse } = action.value;
      const target = this.#store.instances.byId(instanceId);
      if (target !== undefined) this.#lifecycle.terminate(target, reason, recurse, unit);
    }
  }

  /**
   * Starts the next generation: empty history; inbox = start, events the workflow kept, events that arrived meanwhile.
   * Timers end here. Tasks and children of the old generation go on, and what they report is dropped by its execution id.
   */
  #continueAsNew(
    instance: Instance,
    completion: CompleteWorkflowAction,
    customStatus: string,
    suspended: boolean,
    unit: Unit,
  ): void {
    unit.steps?.push('continue-as-new');
    const { instances, inbox, history, timers } = this.#store;
    const { run, id, name, version, parentTaskId, parentId, parentExecutionId } = instance;
    const executionId = randomUUID();
    const input = completion.result;
    const waiting = inbox.all(run).filter((row) => CARRIED_OVER.has(row.kind));
    history.clear(run);
    inbox.clear(run);
    timers.clear(run);
    instances.restart(run, executionId, input, customStatus, unit.now);
    const parent =
      parentTaskId === null || parentId === null || parentExecutionId === null
        ? undefined
        : { taskId: parentTaskId, instance: { id: parentId, executionId: parentExecutionId } };
    inbox.add(run, executionStarted({ id, executionId, name, version: version ?? undefined, input, parent }, unit.now));
    if (suspended) inbox.add(run, executionSuspended(undefined, unit.now));
    for (const bytes of completion.carryoverEvents) inbox.add(run, { kind: EventKind.eventRaised, bytes });
    for (const row of waiting) {
      // Only the kinds of CARRIED_OVER are left, all of them EventKinds.
      inbox.add(run, { kind: row.kind as EventKind, bytes: row.event });
    }
    unit.wokenInstances.add(id);
    unit.statusChanged(id, WorkflowStatus.RUNNING);
  }
}

function findCompletion(actions: WorkflowAction[]): { value: CompleteWorkflowAction } | undefined {
  for (const { action } of actions) {
    if (action.case === 'completeWorkflow') return action;
  }
  return undefined;
}

function isSuspendedAfter(instance: Instance, batch: readonly InboxRow[]): boolean {
  const { executionSuspended, executionResumed } = EventKind;
  const last = batch.findLast(({ kind }) => kind === executionSuspended || kind === executionResumed);
  return last === undefined ? instance.status === WorkflowStatus.SUSPENDED : last.kind === executionSuspended;
}

function toEnd(completion: CompleteWorkflowAction): End {
  const { workflowStatus: status, result: output, failureDetails: failure } = completion;
  if (!isTerminal(status)) throw new TypeError(`the worker completed the workflow with status ${status}`);
  return { status, output, failure };
}
