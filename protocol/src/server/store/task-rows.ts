import { Artifact, type StreamResponse, type Task, TaskStatus, type TaskState, taskStateFromJSON } from '@a2a-js/sdk';
import type { Selectable } from 'kysely';
import { extensionUris } from '../../extensions.ts';
import type { Question } from '../../question.ts';
import type { StoredEvent, TaskHead } from './task-store.ts';
import type { TaskTables } from './task-tables.ts';

/** Conversions between rows and A2A objects. What is read here was written by this store, so it is trusted. */

/** The columns a {@link TaskHead} is made of; `skill_state` and `answer` may be large and are read for a turn only. */
export const headColumns = [
  'id',
  'caller',
  'context_id',
  'skill_id',
  'detached',
  'state',
  'generation',
  'status',
  'status_at',
  'attempts',
  'deadline_at',
  'effect_key',
  'asked',
  'question',
] as const;

/** A row of {@link headColumns}. */
export type HeadRow = Pick<Selectable<TaskTables['tasks']>, (typeof headColumns)[number]>;

/** One stored artifact event. */
interface ArtifactPayload {
  artifact: unknown;
  append?: true;
  lastChunk?: true;
}

export const toHead = (row: HeadRow): TaskHead => ({
  id: row.id,
  caller: row.caller,
  contextId: row.context_id,
  skillId: row.skill_id,
  detached: row.detached === 1,
  state: taskStateFromJSON(row.state),
  generation: row.generation,
  status: TaskStatus.fromJSON(JSON.parse(row.status)),
  statusAtMs: row.status_at,
  attempts: row.attempts,
  deadlineAtMs: row.deadline_at ?? undefined,
  effectKey: row.effect_key,
  asked: row.asked,
  // Written by this store from a Question.
  question: row.question === null ? undefined : (JSON.parse(row.question) as Question),
});

/** The generation of a task or event, as it travels. */
const generationMetadata = (generation: number): Record<string, unknown> => ({
  [extensionUris.generation]: { n: generation },
});

export const toTask = (
  head: Pick<TaskHead, 'id' | 'contextId' | 'status' | 'generation'>,
  history: Task['history'],
  artifacts: Artifact[],
): Task => ({
  id: head.id,
  contextId: head.contextId,
  status: head.status,
  history,
  artifacts,
  metadata: generationMetadata(head.generation),
});

/** Folds artifact events, in order, into the artifacts they describe (A2A specification, TaskArtifactUpdateEvent). */
export function foldArtifacts(payloads: Iterable<string>): Artifact[] {
  const artifacts = new Map<string, Artifact>();
  for (const payload of payloads) {
    // Written by this store.
    const event = JSON.parse(payload) as ArtifactPayload;
    const chunk = Artifact.fromJSON(event.artifact);
    const earlier = event.append ? artifacts.get(chunk.artifactId) : undefined;
    if (earlier) earlier.parts.push(...chunk.parts);
    else artifacts.set(chunk.artifactId, chunk);
  }
  return [...artifacts.values()];
}

/** One row of the event log as the event of a stream. */
export function toStoredEvent(
  taskId: string,
  contextId: string,
  row: Selectable<TaskTables['task_events']>,
): StoredEvent {
  const metadata = generationMetadata(row.generation);
  if (row.kind === 'status') {
    const status = TaskStatus.fromJSON(JSON.parse(row.payload));
    return event(row.generation, status.state, {
      payload: { $case: 'statusUpdate', value: { taskId, contextId, status, metadata } },
    });
  }
  // Written by this store.
  const { artifact, append, lastChunk } = JSON.parse(row.payload) as ArtifactPayload;
  return event(row.generation, undefined, {
    payload: {
      $case: 'artifactUpdate',
      value: {
        taskId,
        contextId,
        artifact: Artifact.fromJSON(artifact),
        append: append ?? false,
        lastChunk: lastChunk ?? false,
        metadata,
      },
    },
  });
}

const event = (generation: number, state: TaskState | undefined, response: StreamResponse): StoredEvent => ({
  generation,
  state,
  response,
});
