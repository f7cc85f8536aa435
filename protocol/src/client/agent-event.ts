import { ListTasksResponse, StreamResponse, Task, TaskState } from '@a2a-js/sdk';
import { extensionData, extensionUris } from '../extensions.ts';
import { isTerminal } from '../task-states.ts';
import { isObject } from './json.ts';
import { invalidReply } from './peer-error.ts';

/** One event of a task: the task itself, a status or artifact update, or a bare message. */
export interface AgentEvent {
  /** The task's generation after this event; undefined for agents that count none. */
  generation?: number;
  response: StreamResponse;
}

/** A task from a peer's reply. @throws MeshError `PEER_FAILED` when it is none. */
export function decodeTask(json: unknown): Task {
  if (!isObject(json)) throw invalidReply('task');
  const task = attempt('task', () => Task.fromJSON(json));
  const state = task.status?.state ?? TaskState.UNRECOGNIZED;
  if (task.id === '' || state === TaskState.UNRECOGNIZED) throw invalidReply('task');
  return task;
}

/** All of a reply to ListTasks. @throws MeshError `PEER_FAILED` when it is none. */
export function decodeTaskList(json: unknown): ListTasksResponse {
  if (!isObject(json)) throw invalidReply('list of tasks');
  const list = attempt('list of tasks', () => ListTasksResponse.fromJSON({ ...json, tasks: [] }));
  return { ...list, tasks: (Array.isArray(json['tasks']) ? json['tasks'] : []).map(decodeTask) };
}

/**
 * A StreamResponse from a peer's stream. Its SSE id is the generation where the peer announces generations; ids of
 * other servers mean what they like.
 */
export function decodeEvent(json: unknown, id: string | undefined): AgentEvent {
  const response = attempt('stream event', () => StreamResponse.fromJSON(json));
  if (!response.payload) throw invalidReply('stream event');
  return id !== undefined && /^\d{1,15}$/.test(id) ? { generation: Number(id), response } : { response };
}

/** An event that says: this is the task now. */
export function snapshotEvent(task: Task): AgentEvent {
  const generation = extensionData(task.metadata, extensionUris.generation)?.['n'];
  const response: StreamResponse = { payload: { $case: 'task', value: task } };
  return typeof generation === 'number' ? { generation, response } : { response };
}

/** The id of the task an event belongs to; empty for a bare message. */
export function eventTaskId({ response: { payload } }: AgentEvent): string {
  switch (payload?.$case) {
    case 'task':
      return payload.value.id;
    case 'statusUpdate':
    case 'artifactUpdate':
    case 'message':
      return payload.value.taskId;
    case undefined:
      return '';
    default:
      return payload satisfies never;
  }
}

/** Whether nothing can follow an event: the task is terminal, or the agent answered with a bare message. */
export function isLastEvent({ response: { payload } }: AgentEvent): boolean {
  if (payload?.$case === 'message') return true;
  if (payload?.$case !== 'task' && payload?.$case !== 'statusUpdate') return false;
  return isTerminal(payload.value.status?.state ?? TaskState.TASK_STATE_UNSPECIFIED);
}

function attempt<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw invalidReply(what, cause);
  }
}
