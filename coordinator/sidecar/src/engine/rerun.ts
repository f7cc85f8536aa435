import { randomUUID } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  HistoryEventSchema,
  RerunParentInstanceInfoSchema,
  WorkflowActionSchema,
  WorkflowInstanceSchema,
  WorkflowStatus,
  type HistoryEvent,
  type WorkflowAction,
} from '../gen/durable_task_pb.ts';
import { isTerminal, type Instance } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import { checkInstanceId } from './instance-id.ts';
import type { Lifecycle } from './lifecycle.ts';
import { Stall } from './stall.ts';
import type { TurnCommit } from './turn-commit.ts';
import type { Unit } from './unit.ts';
import { WorkflowError } from './workflow-error.ts';

export interface RerunRequest {
  readonly sourceId: string;
  /** Of an activity, timer or child that the source asked for: this one is done again, and all that came later. */
  readonly eventId: number;
  /** Default: one is made up. */
  readonly newId: string | undefined;
  /** Replaces the input of the activity or child. */
  readonly input: { readonly value: string | undefined } | undefined;
  readonly newChildId: string | undefined;
}

/**
 * Starts a new instance from a point in the history of one that has ended: the new one has the same past up to there, and
 * whatever had no result by then is asked for again. Texts of errors are daprd's.
 */
export class Rerun {
  readonly #store: Store;
  readonly #lifecycle: Lifecycle;
  readonly #turnCommit: TurnCommit;

  constructor(store: Store, lifecycle: Lifecycle, turnCommit: TurnCommit) {
    this.#store = store;
    this.#lifecycle = lifecycle;
    this.#turnCommit = turnCommit;
  }

  /** Returns the id of the new instance. */
  start(request: RerunRequest, unit: Unit): string {
    const { sourceId, newId = randomUUID() } = request;
    if (sourceId === '') throw invalid('rerun workflow source instance ID is required');
    if (sourceId === newId) throw invalid('rerun workflow instance ID must be different from the original instance ID');
    const source = this.#source(sourceId);
    const past = this.#pastOf(source, request.eventId);
    const target = past.at(-1);
    if (target === undefined) throw notInHistory(`does not have history event with ID '${request.eventId}'`);
    aim(target, request, newId);
    checkInstanceId(newId);
    if (this.#store.instances.byId(newId) !== undefined) {
      throw new WorkflowError('ALREADY_EXISTS', `workflow '${newId}' has already been created`);
    }
    this.#write(source, newId, past, unit);
    return newId;
  }

  #source(id: string): Instance {
    const source = this.#store.instances.byId(id);
    if (source === undefined) throw notInHistory(`workflow instance does not exist with ID '${id}'`);
    this.#lifecycle.refuseIfStalled(source);
    if (!isTerminal(source.status)) throw invalid(`'${id}' is not in a terminal state`);
    if (source.parentId !== null) throw invalid(`'${id}': cannot rerun from child-workflows`);
    return source;
  }

  /** Everything up to and with the event; empty if there is none of that id. */
  #pastOf(source: Instance, eventId: number): HistoryEvent[] {
    const events = this.#store.history.events(source.run).map((bytes) => fromBinary(HistoryEventSchema, bytes));
    return events.slice(0, events.findIndex((event) => event.eventId === eventId) + 1);
  }

  #write(source: Instance, id: string, past: HistoryEvent[], unit: Unit): void {
    const { instances, history } = this.#store;
    const executionId = randomUUID();
    const { name, version } = source;
    const { input } = instances.payloads(source.run);
    const fresh = { id, executionId, name, version: version ?? undefined, input: input ?? undefined };
    const run = instances.insert({ ...fresh, scheduledAt: undefined, held: false, parent: undefined }, unit.now);
    const suspended = isSuspendedAfter(past);
    instances.setVersion(run, version, patchesIn(past));
    instances.requestSuspend(run, suspended);
    const status = suspended ? WorkflowStatus.SUSPENDED : WorkflowStatus.RUNNING;
    instances.advance(run, status, past.length, '', unit.now);
    unit.statusChanged(id, status);
    const instance = instances.byRun(run);
    const unresolved = unresolvedIn(past);
    for (const [seq, event] of past.entries()) {
      if (event.event.case === 'executionStarted') {
        event.event.value.workflowInstance = create(WorkflowInstanceSchema, { instanceId: id, executionId });
      }
      if (instance !== undefined && unresolved.has(event)) this.#askAgain(instance, event, event === past.at(-1), unit);
      history.append(run, seq, toBinary(HistoryEventSchema, event));
    }
  }

  #askAgain(instance: Instance, event: HistoryEvent, isTarget: boolean, unit: Unit): void {
    event.timestamp = timestampFromMs(unit.now);
    if (event.event.case === 'childWorkflowCreated' && !isTarget) {
      event.event.value.instanceId = childId(instance.id, event.eventId);
    }
    const action = toAction(event);
    try {
      if (action !== undefined) this.#turnCommit.act(instance, action, unit);
    } catch (error) {
      throw error instanceof Stall ? invalid(error.message) : error;
    }
  }
}

/** Changes the target as the request wants it. @throws WorkflowError if the event is none that can be done again. */
function aim({ eventId, event }: HistoryEvent, request: RerunRequest, newId: string): void {
  const { sourceId, input, newChildId } = request;
  const of = kindNames.get(event.case);
  if (event.case === 'timerCreated' && input !== undefined) {
    throw invalid(`cannot write input to timer event '${eventId}'`);
  }
  if (of !== undefined && newChildId !== undefined) {
    throw invalid(`cannot set new child workflow instance ID on ${of} event '${eventId}'`);
  }
  if (event.case === 'childWorkflowCreated') event.value.instanceId = newChildId ?? childId(newId, eventId);
  else if (event.case !== 'taskScheduled' && event.case !== 'timerCreated') {
    const type = `*protos.HistoryEvent_${goName(event.case)}`;
    throw notInHistory(`target event '${type}' with ID '${eventId}' is not an event that can be rerun`);
  }
  if (event.case !== 'timerCreated' && input !== undefined) event.value.input = input.value;
  event.value.rerunParentInstanceInfo = create(RerunParentInstanceInfoSchema, { instanceId: sourceId });
}

/** Those that have no id of a child to set. */
const kindNames: ReadonlyMap<string | undefined, string> = new Map([
  ['taskScheduled', 'activity'],
  ['timerCreated', 'timer'],
]);

/** Activities, timers and children without a result: the last event of a past is always one. */
function unresolvedIn(past: HistoryEvent[]): Set<HistoryEvent> {
  const open = new Map<number, HistoryEvent>();
  for (const event of past) {
    const { value } = event.event;
    if (toAction(event) !== undefined) open.set(event.eventId, event);
    else if (value !== undefined && 'taskScheduledId' in value) open.delete(value.taskScheduledId);
    else if (value !== undefined && 'timerId' in value) open.delete(value.timerId);
  }
  return new Set(open.values());
}

/** What a workflow would answer to get this event. */
function toAction({ eventId: id, event }: HistoryEvent): WorkflowAction | undefined {
  if (event.case === 'taskScheduled') {
    const { name, version, input, taskExecutionId } = event.value;
    const value = { name, version, input, taskExecutionId };
    return create(WorkflowActionSchema, { id, action: { case: 'scheduleTask', value } });
  }
  if (event.case === 'timerCreated') {
    const { fireAt } = event.value;
    return create(WorkflowActionSchema, { id, action: { case: 'createTimer', value: { fireAt } } });
  }
  if (event.case === 'childWorkflowCreated') {
    const { instanceId, name, version, input } = event.value;
    const value = { instanceId, name, version, input };
    return create(WorkflowActionSchema, { id, action: { case: 'createChildWorkflow', value } });
  }
  return undefined;
}

function isSuspendedAfter(past: HistoryEvent[]): boolean {
  const last = past.findLast(({ event }) => event.case === 'executionSuspended' || event.case === 'executionResumed');
  return last?.event.case === 'executionSuspended';
}

function patchesIn(past: HistoryEvent[]): string | null {
  const patches = past.flatMap(({ event }) =>
    event.case === 'workflowStarted' ? (event.value.version?.patches ?? []) : [],
  );
  return patches.length === 0 ? null : JSON.stringify(patches);
}

/** As the name a child gets that was given none. */
function childId(parentId: string, eventId: number): string {
  return `${parentId}:${eventId.toString(16).padStart(4, '0')}`;
}

/** What daprd's own language calls an event: part of an error's text. */
function goName(eventCase: string | undefined): string {
  if (eventCase === undefined) return '';
  const name = eventCase.charAt(0).toUpperCase() + eventCase.slice(1);
  return name.replace(/(Child|Detached)Workflow/, '$1WorkflowInstance');
}

function invalid(message: string): WorkflowError {
  return new WorkflowError('INVALID_ARGUMENT', message);
}

function notInHistory(message: string): WorkflowError {
  return new WorkflowError('NOT_IN_HISTORY', message);
}
