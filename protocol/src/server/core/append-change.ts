import { type Part, type TaskStatus, TaskState } from '@a2a-js/sdk';
import { isMeshError, MeshError } from '../../mesh-error.ts';
import { agentMessage, dataPart, textPart } from '../../parts.ts';
import { afterCommit, type Unit } from '../database/unit.ts';
import type { TaskChange } from '../skill.ts';
import type { TaskEventBody, TaskFields, TaskHead } from '../store/task-store.ts';
import type { CoreServices } from './core-services.ts';

/** Appends a change to a task and tells its watchers once it is committed. */
export function* appendChange(
  { store, signals, now }: CoreServices,
  head: TaskHead,
  change: TaskChange,
  fields?: TaskFields,
): Unit<TaskHead> {
  const events: TaskEventBody[] = [];
  if (change.artifact) {
    const { artifact, append = false, lastChunk = false } = change.artifact;
    events.push({ kind: 'artifact', artifact, append, lastChunk });
  }
  if (change.status) events.push(statusEvent(head, change.status, now()));
  const next = yield* store.append(head, events, fields);
  yield* afterCommit(() => signals.notify(next.id, next.state));
  return next;
}

function statusEvent(head: TaskHead, change: NonNullable<TaskChange['status']>, atMs: number): TaskEventBody {
  const status: TaskStatus = {
    state: change.state,
    timestamp: new Date(atMs).toISOString(),
    message:
      change.parts &&
      agentMessage({
        parts: change.parts,
        taskId: head.id,
        contextId: head.contextId,
        ...(change.metadata && { metadata: change.metadata, extensions: Object.keys(change.metadata) }),
      }),
  };
  return { kind: 'status', status, atMs };
}

/** The change that fails a task: readable text, and a data part for programs. */
export function failureChange(error: unknown): TaskChange {
  return { status: { state: TaskState.TASK_STATE_FAILED, parts: failureParts(toPublicError(error)) } };
}

const failureParts = ({ code, message, retryable }: MeshError): Part[] => [
  textPart(message),
  dataPart({ error: { code, message, retryable } }),
];

/** A MeshError is meant for the caller; of anything else nothing may leak. */
function toPublicError(error: unknown): MeshError {
  if (isMeshError(error)) return error;
  return new MeshError('INTERNAL', 'the skill failed; its agent has logged the reason', { cause: error });
}
