import { type StreamResponse, TaskState } from '@a2a-js/sdk';
import { MeshError } from '../../mesh-error.ts';
import { isTerminal } from '../../task-states.ts';
import type { CoreServices } from './core-services.ts';

/** An event of a task's stream. */
export interface TaskEvent {
  /** The generation the task has with this event: the SSE id, and where a resumed stream goes on. */
  generation: number;
  response: StreamResponse;
}

/** Where a stream begins and when it ends before its task does. */
export interface StreamOptions {
  /** The generation an earlier stream ended with. */
  after: number | undefined;
  /** How much of the history the task at the beginning shows; all by default. */
  historyLength: number | undefined;
  signal: AbortSignal;
}

const pageSize = 64;

/**
 * The events of one task until it is terminal: first the whole task, unless `after` says where an earlier stream ended,
 * then what the log holds beyond. A slow reader costs nothing: nothing is queued for it, it reads on from the log.
 */
export async function* streamTask(
  { database, store, signals, onFollow }: CoreServices,
  taskId: string,
  { after, historyLength, signal }: StreamOptions,
): AsyncGenerator<TaskEvent> {
  let cursor = after ?? 0;
  let isDirty = true;
  let wake: (() => void) | undefined;
  const onChange = (): void => {
    isDirty = true;
    wake?.();
  };
  const unsubscribe = signals.subscribe(taskId, onChange);
  const unfollow = onFollow?.(taskId);
  signal.addEventListener('abort', onChange);
  try {
    const head = await database.read(() => store.head(taskId));
    if (!head) throw new MeshError('TASK_NOT_FOUND', 'there is no such task', { details: { taskId } });
    let state: TaskState = head.state;
    if (after === undefined || after > head.generation) {
      const task = await database.read(() => store.load(taskId, { historyLength }));
      if (!task) return;
      yield { generation: head.generation, response: { payload: { $case: 'task', value: task } } };
      cursor = head.generation;
    } else if (after < head.generation) {
      // A terminal state that is still to be replayed must not end the stream before it.
      state = TaskState.TASK_STATE_UNSPECIFIED;
    }
    while (!signal.aborted && !isTerminal(state)) {
      isDirty = false;
      const events = await database.read(() => store.events(taskId, cursor, pageSize));
      for (const event of events) {
        yield event;
        cursor = event.generation;
        if (event.state !== undefined) ({ state } = event);
        if (isTerminal(state) || signal.aborted) return;
      }
      if (events.length > 0 || isDirty) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
  } finally {
    signal.removeEventListener('abort', onChange);
    unsubscribe();
    unfollow?.();
  }
}
