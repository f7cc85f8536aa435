import { type Task, TaskState } from '@a2a-js/sdk';
import { digest } from '../ids.ts';
import { isInterrupted } from '../task-states.ts';
import { type AgentEvent, eventTaskId, isLastEvent, snapshotEvent } from './agent-event.ts';
import { invalidReply, peerReason } from './peer-error.ts';
import { isTransient, pause, retryDelayMs } from './retry.ts';

/**
 * Follows one task to its end over whatever the peer offers. A stream may close at any moment, also at INPUT_REQUIRED
 * (A2A specification, sections 3.1.2 and 11.7 disagree), so a closed stream means nothing: the task is asked for, and
 * then decides. With a peer that counts generations nothing is missed and nothing comes twice; with others a dropped
 * stream is continued from a snapshot.
 */

/** What following a task needs of a client. */
export interface TaskSource {
  /** Whether the peer has streams at all. */
  streaming: boolean;
  /** Whether a subscription goes on exactly behind a position, and stays open at a question. */
  replays: boolean;
  subscribe(taskId: string, after: number | undefined): AsyncIterable<AgentEvent>;
  get(taskId: string): Promise<Task>;
  /** How long a peer may stay unreachable before following it fails. */
  resumeForMs: number;
  /** Told of every failure after which the stream is resumed. */
  onDrop: (error: unknown) => void;
  signal: AbortSignal | undefined;
}

const noSubscription: ReadonlySet<string | undefined> = new Set(['METHOD_NOT_FOUND', 'UNSUPPORTED_OPERATION']);

/** The events of a stream that started with a message, and of the task it started, to the end. */
export async function* streamMessage(
  source: TaskSource,
  opened: AsyncIterable<AgentEvent>,
): AsyncGenerator<AgentEvent> {
  const position = new StreamPosition(undefined);
  let taskId = '';
  let dropped = false;
  try {
    for await (const event of opened) {
      taskId ||= eventTaskId(event);
      if (position.advance(event)) yield event;
      if (isLastEvent(event)) return;
    }
  } catch (error) {
    if (taskId === '' || !isTransient(error)) throw error;
    source.onDrop(error);
    dropped = true;
  }
  if (taskId === '') throw invalidReply('stream');
  yield* followTask(source, taskId, position, dropped || source.replays);
}

/** The events of a task after a position, to the end; starts with a subscription or, if told so, with a look at it. */
export async function* followTask(
  source: TaskSource,
  taskId: string,
  position: StreamPosition,
  subscribeFirst = true,
): AsyncGenerator<AgentEvent> {
  let canSubscribe = source.streaming;
  let subscribeNext = canSubscribe && subscribeFirst;
  let idleRounds = 0;
  let failures = 0;
  let failingSinceMs = 0;
  for (;;) {
    let delayMs: number;
    try {
      if (subscribeNext) {
        for await (const event of source.subscribe(taskId, position.generation)) {
          failures = 0;
          if (position.advance(event)) {
            idleRounds = 0;
            yield event;
          }
          if (isLastEvent(event)) return;
        }
      }
      // A snapshot would skip what a peer that replays can still tell.
      if (!subscribeNext || !source.replays) {
        const task = await source.get(taskId);
        failures = 0;
        const event = snapshotEvent(task);
        if (position.advance(event)) {
          idleRounds = 0;
          yield event;
        }
        if (isLastEvent(event)) return;
        // A peer that closes its stream at a question would close the next one at once.
        subscribeNext = canSubscribe && !isInterrupted(task.status?.state ?? TaskState.TASK_STATE_UNSPECIFIED);
      }
      delayMs = retryDelayMs(idleRounds++);
    } catch (error) {
      if (subscribeNext && noSubscription.has(peerReason(error))) {
        // Either the task ended meanwhile, which the next look shows, or there is no subscription here.
        canSubscribe = subscribeNext = false;
        continue;
      }
      if (!isTransient(error)) throw error;
      if (failures === 0) failingSinceMs = performance.now();
      if (performance.now() - failingSinceMs > source.resumeForMs) throw error;
      source.onDrop(error);
      delayMs = retryDelayMs(failures++, error);
    }
    await pause(delayMs, source.signal);
  }
}

/** How far a stream has come: tells an event that is new from one that was seen. */
export class StreamPosition {
  generation: number | undefined;
  #lastSnapshot = '';

  constructor(generation: number | undefined) {
    this.generation = generation;
  }

  /** Whether the event is new; if so it is remembered. */
  advance(event: AgentEvent): boolean {
    if (event.generation !== undefined) {
      if (this.generation !== undefined && event.generation <= this.generation) return false;
      this.generation = event.generation;
      return true;
    }
    if (event.response.payload?.$case !== 'task') return true;
    const { status, artifacts } = event.response.payload.value;
    const snapshot = digest([status?.state, status?.timestamp, status?.message?.messageId, artifacts]);
    const isNew = snapshot !== this.#lastSnapshot;
    this.#lastSnapshot = snapshot;
    return isNew;
  }
}
