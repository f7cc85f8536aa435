import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import {
  HistoryEventSchema,
  TaskFailureDetailsSchema,
  WorkflowStartedEventSchema,
  type ExecutionStalledEvent,
  type StalledReason,
  type WorkflowStatus,
} from '../gen/durable_task_pb.ts';
import type { Parent } from '../store/instances.ts';

/** The events the engine itself looks at, by their field number in HistoryEvent. */
export const EventKind = {
  executionStarted: 3,
  taskResult: 7,
  childResult: 10,
  timerFired: 13,
  eventRaised: 17,
  executionSuspended: 21,
  executionResumed: 22,
} as const;

export type EventKind = (typeof EventKind)[keyof typeof EventKind];

/** An event on its way to an inbox. */
export interface EncodedEvent {
  readonly kind: EventKind;
  readonly bytes: Uint8Array;
}

type EventCase = NonNullable<MessageInitShape<typeof HistoryEventSchema>['event']>;

/** All events but those made from an action have this id. */
const NO_ACTION = -1;

/** Events of the past keep their bytes: this is the only place where one is encoded. */
export function encodeEvent(event: EventCase, now: number, actionId: number = NO_ACTION): Uint8Array {
  return encodeAt(event, timestampFromMs(now), actionId);
}

function encodeAt(event: EventCase, timestamp: Timestamp, eventId: number): Uint8Array {
  return toBinary(HistoryEventSchema, create(HistoryEventSchema, { eventId, timestamp, event }));
}

export function encodeFailure(errorType: string, errorMessage: string): Uint8Array {
  return toBinary(TaskFailureDetailsSchema, create(TaskFailureDetailsSchema, { errorType, errorMessage }));
}

export function errorTypeOf(failure: Uint8Array): string {
  return fromBinary(TaskFailureDetailsSchema, failure).errorType;
}

/** The last time of a `Date`. SQLite could store later ones, but then none of its readers could read them again. */
const LAST_MS = 8.64e15;

/** Rounded up, so that a timer never fires before its time. What is beyond all calendars is as far as a `Date` can be. */
export function toMs(timestamp: Timestamp): number {
  const ms = Number(timestamp.seconds) * 1000 + Math.ceil(timestamp.nanos / 1_000_000);
  return Math.min(Math.max(ms, -LAST_MS), LAST_MS);
}

export function workflowStarted(now: number): Uint8Array {
  return encodeEvent({ case: 'workflowStarted', value: {} }, now);
}

/** The same event with what the worker said about the version of its code. */
export function withVersion(started: Uint8Array, version: { name: string | undefined; patches: string[] }): Uint8Array {
  const event = fromBinary(HistoryEventSchema, started);
  const { name, patches } = version;
  event.event = {
    case: 'workflowStarted',
    value: create(WorkflowStartedEventSchema, { version: { patches, ...(name !== undefined && { name }) } }),
  };
  return toBinary(HistoryEventSchema, event);
}

export function executionStarted(
  instance: {
    id: string;
    executionId: string;
    name: string;
    version: string | undefined;
    input: string | undefined;
    scheduledAt?: number | undefined;
    parent: (Pick<Parent, 'taskId'> & { instance: { id: string; name?: string; executionId: string } }) | undefined;
  },
  now: number,
): EncodedEvent {
  const { parent, scheduledAt } = instance;
  const bytes = encodeEvent(
    {
      case: 'executionStarted',
      value: {
        name: instance.name,
        version: instance.version,
        input: instance.input,
        workflowInstance: { instanceId: instance.id, executionId: instance.executionId },
        parentInstance: parent && {
          taskScheduledId: parent.taskId,
          name: parent.instance.name,
          workflowInstance: { instanceId: parent.instance.id, executionId: parent.instance.executionId },
        },
        scheduledStartTimestamp: scheduledAt === undefined ? undefined : timestampFromMs(scheduledAt),
      },
    },
    now,
  );
  return { kind: EventKind.executionStarted, bytes };
}

export function taskResult(
  taskScheduledId: number,
  result: string | undefined,
  failureDetails: Uint8Array | undefined,
  now: number,
): EncodedEvent {
  const bytes =
    failureDetails === undefined
      ? encodeEvent({ case: 'taskCompleted', value: { taskScheduledId, result } }, now)
      : encodeEvent({ case: 'taskFailed', value: { taskScheduledId, failureDetails } }, now);
  return { kind: EventKind.taskResult, bytes };
}

export function childCompleted(taskScheduledId: number, result: string | undefined, now: number): EncodedEvent {
  const bytes = encodeEvent({ case: 'childWorkflowCompleted', value: { taskScheduledId, result } }, now);
  return { kind: EventKind.childResult, bytes };
}

export function childFailed(taskScheduledId: number, failureDetails: Uint8Array, now: number): EncodedEvent {
  const bytes = encodeEvent({ case: 'childWorkflowFailed', value: { taskScheduledId, failureDetails } }, now);
  return { kind: EventKind.childResult, bytes };
}

export function timerFired(timerId: number, fireAt: Timestamp, now: number): EncodedEvent {
  return { kind: EventKind.timerFired, bytes: encodeEvent({ case: 'timerFired', value: { timerId, fireAt } }, now) };
}

export function eventRaised(name: string, input: string | undefined, at: Timestamp): EncodedEvent {
  const bytes = encodeAt({ case: 'eventRaised', value: { name, input } }, at, NO_ACTION);
  return { kind: EventKind.eventRaised, bytes };
}

export function executionSuspended(input: string | undefined, now: number): EncodedEvent {
  const bytes = encodeEvent({ case: 'executionSuspended', value: { input } }, now);
  return { kind: EventKind.executionSuspended, bytes };
}

export function executionResumed(input: string | undefined, now: number): EncodedEvent {
  const bytes = encodeEvent({ case: 'executionResumed', value: { input } }, now);
  return { kind: EventKind.executionResumed, bytes };
}

export function executionStalled(reason: StalledReason, description: string, now: number): Uint8Array {
  return encodeEvent({ case: 'executionStalled', value: { reason, description } }, now);
}

/** Why an instance is stalled, if this is the event that says so. */
export function toStalled(event: Uint8Array): ExecutionStalledEvent | undefined {
  const decoded = fromBinary(HistoryEventSchema, event).event;
  return decoded.case === 'executionStalled' ? decoded.value : undefined;
}

export function executionTerminated(input: string | undefined, recurse: boolean, now: number): Uint8Array {
  return encodeEvent({ case: 'executionTerminated', value: { input, recurse } }, now);
}

export function executionCompleted(
  end: { status: WorkflowStatus; output: string | undefined; failure: Uint8Array | undefined },
  now: number,
  actionId?: number,
): Uint8Array {
  return encodeEvent(
    {
      case: 'executionCompleted',
      value: { workflowStatus: end.status, result: end.output, failureDetails: end.failure },
    },
    now,
    actionId,
  );
}
