import type { ActivityResponse, WorkflowResponse, WorkflowStatus } from '../gen/durable_task_pb.ts';
import type { Logger } from '../logger.ts';
import { SidecarError } from '../sidecar-error.ts';
import { isTerminal } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import type { TaskRef } from '../store/tasks.ts';
import { Dispatcher } from './dispatcher.ts';
import { encodeFailure, taskResult } from './history-events.ts';
import { Lifecycle } from './lifecycle.ts';
import { TimerClock } from './timer-clock.ts';
import { TurnCommit } from './turn-commit.ts';
import type { Turn } from './turn-queue.ts';
import { Unit } from './unit.ts';
import { Waiters } from './waiters.ts';
import type { WorkerLimits, WorkerStream } from './worker.ts';
import { WorkflowError } from './workflow-error.ts';

export interface EngineOptions {
  readonly store: Store;
  readonly logger: Logger;
  /** The wall clock, milliseconds. */
  readonly now: () => number;
  /** Largest message a worker or client may send, in bytes. */
  readonly maxMessageBytes: number;
}

/**
 * The durable part: commits, and what follows from them. Whoever asks for a change gets it through `commit`, and only
 * after the commit are workers, timers and waiting requests told. Between commits the rows are the whole state; the
 * queues behind `dispatcher` can be rebuilt from them at any time.
 */
export class Engine {
  readonly store: Store;
  readonly lifecycle: Lifecycle;
  readonly now: () => number;
  readonly maxMessageBytes: number;
  readonly #logger: Logger;
  readonly #dispatcher: Dispatcher;
  readonly #timers: TimerClock;
  readonly #turnCommit: TurnCommit;
  readonly #waiters = new Waiters();

  constructor({ store, logger, now, maxMessageBytes }: EngineOptions) {
    this.store = store;
    this.now = now;
    this.maxMessageBytes = maxMessageBytes;
    this.#logger = logger;
    this.lifecycle = new Lifecycle(store);
    this.#turnCommit = new TurnCommit(store, this.lifecycle);
    this.#dispatcher = new Dispatcher(store, now);
    this.#timers = new TimerClock(store, now, (work) => this.commit(work));
  }

  /**
   * Takes up all work that the rows hold: timers that came due first, as they are older than any new request. May be called
   * at any time, since it forgets the queues and finds everything again; it never has to be after the start.
   */
  async recover(): Promise<void> {
    await this.#timers.fireDue();
    this.#dispatcher.rescan();
  }

  /** One unit of work; resolves after its commit, when everybody it concerns was told. */
  async commit<T>(work: (unit: Unit) => T): Promise<T> {
    const unit = new Unit(this.now());
    const result = await this.store.database.transact(() => work(unit));
    for (const id of unit.wokenInstances) this.#dispatcher.turns.add(id);
    for (const task of unit.newTasks) this.#dispatcher.activities.add(task);
    this.#timers.noticeTimer(unit.earliestTimer);
    for (const { id, status } of unit.statuses) this.#waiters.notify(id, status);
    this.#dispatcher.pump();
    return result;
  }

  /** Waits, without holding anything but the request itself, until `isOver` accepts the instance's status. */
  async waitUntil(id: string, isOver: (status: WorkflowStatus) => boolean, signal: AbortSignal): Promise<void> {
    const status = this.store.instances.byId(id)?.status;
    if (status !== undefined && isOver(status)) return;
    await this.#waiters.wait(id, isOver, signal);
  }

  connectWorker(stream: WorkerStream, limits: WorkerLimits): () => void {
    return this.#dispatcher.connect(stream, limits);
  }

  /** The answer to a turn; one that nobody waits for is of no consequence. */
  async completeTurn(answer: WorkflowResponse, sizeBytes: number): Promise<void> {
    const turn = this.#dispatcher.turns.answered(answer.instanceId, answer.completionToken);
    if (turn === undefined) {
      this.#logger.debug({ instanceId: answer.instanceId }, 'answer to a turn that is not out');
      return;
    }
    try {
      await this.#commitAnswer(turn, answer, sizeBytes);
    } finally {
      this.#dispatcher.turns.close(turn);
    }
  }

  /** The result of an activity; one that nobody waits for is of no consequence. */
  async completeActivity(answer: ActivityResponse, sizeBytes: number): Promise<void> {
    const { instanceId, taskId } = answer;
    const task = this.#dispatcher.activities.answered(instanceId, taskId);
    if (task === undefined) {
      this.#logger.debug({ instanceId, taskId }, 'result of an activity that is not out');
      return;
    }
    try {
      await this.#commitResult(task, answer, sizeBytes);
    } finally {
      this.#dispatcher.activities.close(task);
    }
  }

  stop(): void {
    this.#timers.stop();
    this.#dispatcher.stop();
    this.#waiters.close(new WorkflowError('SHUTTING_DOWN', 'the sidecar is shutting down'));
  }

  async #commitAnswer(turn: Turn, answer: WorkflowResponse, sizeBytes: number): Promise<void> {
    if (sizeBytes > this.maxMessageBytes) {
      const message = tooLarge('workflow turn', sizeBytes, this.maxMessageBytes);
      await this.commit((unit) => this.#turnCommit.fail(turn, 'PayloadTooLarge', message, unit));
      return;
    }
    try {
      await this.commit((unit) => this.#turnCommit.apply(turn, answer, unit));
    } catch (error) {
      if (error instanceof SidecarError) throw error;
      this.#logger.error({ err: error, instanceId: turn.instanceId }, 'answer to a turn cannot be applied');
      const message = error instanceof Error ? error.message : String(error);
      await this.commit((unit) => this.#turnCommit.fail(turn, 'InvalidWorkflowResponse', message, unit));
    }
  }

  async #commitResult(task: TaskRef, answer: ActivityResponse, sizeBytes: number): Promise<void> {
    let { result, failureDetails } = answer;
    if (sizeBytes > this.maxMessageBytes) {
      result = undefined;
      failureDetails = encodeFailure('PayloadTooLarge', tooLarge('activity result', sizeBytes, this.maxMessageBytes));
    }
    await this.commit((unit) => {
      const executionId = this.store.tasks.take(task);
      const instance = this.store.instances.byRun(task.run);
      if (executionId === undefined || instance === undefined) return;
      if (isTerminal(instance.status) || instance.executionId !== executionId) return;
      this.store.inbox.add(task.run, taskResult(task.taskId, result, failureDetails, unit.now));
      unit.wokenInstances.add(instance.id);
    });
  }
}

function tooLarge(what: string, sizeBytes: number, maxBytes: number): string {
  return `${what} of ${sizeBytes} bytes is larger than the ${maxBytes} bytes allowed`;
}
