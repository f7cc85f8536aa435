import type { ActivityResponse, WorkflowResponse, WorkflowStatus } from '../gen/durable_task_pb.ts';
import type { KillPoint, KillPointListener } from '../kill-point.ts';
import type { Logger } from '../logger.ts';
import { SidecarError } from '../sidecar-error.ts';
import { isTerminal } from '../store/instances.ts';
import type { Store } from '../store/store.ts';
import type { TaskRef } from '../store/tasks.ts';
import { Dispatcher } from './dispatcher.ts';
import { EventClock } from './event-clock.ts';
import { encodeFailure, taskResult } from './history-events.ts';
import { Lifecycle } from './lifecycle.ts';
import type { Quarantine } from './quarantine.ts';
import { Rerun } from './rerun.ts';
import { purgeExpired, type RetentionPolicy } from './retention.ts';
import { QUARANTINED, Stall, turnTooLarge, usableBytes } from './stall.ts';
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
  /** Without it, a workflow whose code ends the process is tried again for ever. */
  readonly quarantine?: Quarantine | undefined;
  /** Told of every instance that gets no more turns by itself. */
  readonly onStalled?: ((instanceId: string, reason: string) => void) | undefined;
  /** For crash tests. */
  readonly killPoint?: KillPointListener | undefined;
}

/**
 * The durable part: commits, and what follows from them. Whoever asks for a change gets it through `commit`, and only
 * after the commit are workers, timers and waiting requests told. Between commits the rows are the whole state; the
 * queues behind `dispatcher` can be rebuilt from them at any time.
 */
export class Engine {
  readonly store: Store;
  readonly lifecycle: Lifecycle;
  readonly rerun: Rerun;
  readonly now: () => number;
  readonly maxMessageBytes: number;
  readonly #logger: Logger;
  readonly #dispatcher: Dispatcher;
  readonly #timers: TimerClock;
  readonly #turnCommit: TurnCommit;
  readonly #waiters = new Waiters();
  readonly #eventClock = new EventClock();
  readonly #quarantine: Quarantine | undefined;
  readonly #onStalled: EngineOptions['onStalled'];
  readonly #killPoint: KillPointListener | undefined;

  constructor(options: EngineOptions) {
    const { store, logger, now, maxMessageBytes, quarantine, onStalled, killPoint } = options;
    this.store = store;
    this.now = now;
    this.maxMessageBytes = maxMessageBytes;
    this.#logger = logger;
    this.#quarantine = quarantine;
    this.#onStalled = onStalled;
    this.#killPoint = killPoint;
    this.lifecycle = new Lifecycle(store);
    this.#turnCommit = new TurnCommit(store, this.lifecycle, maxMessageBytes);
    this.rerun = new Rerun(store, this.lifecycle, this.#turnCommit);
    const limit = { maxBytes: usableBytes(maxMessageBytes), onTooLarge: this.#refuseTurn.bind(this) };
    this.#dispatcher = new Dispatcher({ store, now, limit, quarantine, killPoint });
    this.#timers = new TimerClock(store, now, (work) => this.commit(work));
  }

  /** Once, before any worker: judges how the last process ended, then takes up its work. */
  async start(): Promise<void> {
    if (this.#quarantine !== undefined) await this.#isolate(this.#quarantine);
    await this.recover();
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
    const { unit, result } = await this.store.database.transact(() => {
      const begun = new Unit(this.now(), this.#eventClock, this.#killPoint && []);
      const written = work(begun);
      this.#reached(begun, 'before-commit');
      return { unit: begun, result: written };
    });
    this.#reached(unit, 'after-commit');
    for (const id of unit.wokenInstances) this.#dispatcher.turns.add(id);
    for (const task of unit.newTasks) this.#dispatcher.activities.add(task);
    this.#timers.noticeTimer(unit.earliestTimer);
    for (const { id, status } of unit.statuses) this.#waiters.notify(id, status);
    this.#dispatcher.pump();
    for (const { id, reason } of unit.stalls) this.#tellStalled(id, reason);
    return result;
  }

  /** Waits, without holding anything but the request itself, until `isOver` accepts the instance's status. */
  async waitUntil(id: string, isOver: (status: WorkflowStatus) => boolean, signal: AbortSignal): Promise<void> {
    const { database, instances } = this.store;
    const status = instances.byId(id)?.status;
    // No pause between a look that finds it is not over and the wait: nobody would be told of what comes in it.
    if (status !== undefined && isOver(status)) await database.read(() => status);
    else await this.#waiters.wait(id, isOver, signal);
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
    this.#killPoint?.('turn:answered');
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
    this.#killPoint?.('activity:answered');
    try {
      await this.#commitResult(task, answer, sizeBytes);
    } finally {
      this.#dispatcher.activities.close(task);
    }
  }

  /** Deletes instances that ended longer ago than they are to be kept; how many. Other work goes on in between. */
  purgeExpired(policy: RetentionPolicy, now: number): Promise<number> {
    return purgeExpired(this, policy, now);
  }

  stop(): void {
    this.#timers.stop();
    this.#dispatcher.stop();
    this.#waiters.close(new WorkflowError('SHUTTING_DOWN', 'the sidecar is shutting down'));
  }

  async #isolate(quarantine: Quarantine): Promise<void> {
    const { culprits, suspects } = quarantine.judge();
    if (culprits.length > 0) {
      await this.commit((unit) => {
        for (const instance of culprits) {
          const turn = `with ${instance.historyLength} past events`;
          const description = `the process ended three times in a row during this instance's turn ${turn}; resume to try again`;
          this.lifecycle.stall(instance, QUARANTINED, description, unit);
        }
      });
    }
    for (const { id } of culprits) this.#logger.error({ instanceId: id }, 'workflow is quarantined');
    quarantine.open();
    this.#dispatcher.turns.isolate(suspects);
  }

  /** It is stored by now, so that whoever asked for it did nothing wrong. */
  #tellStalled(instanceId: string, reason: string): void {
    try {
      this.#onStalled?.(instanceId, reason);
    } catch (error) {
      this.#logger.error({ err: error, instanceId }, 'onStalled failed');
    }
  }

  #reached(unit: Unit, moment: 'before-commit' | 'after-commit'): void {
    for (const step of unit.steps ?? []) this.#killPoint?.(`${step}:${moment}` satisfies KillPoint);
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
      if (error instanceof Stall) {
        await this.#stall(turn, error);
        return;
      }
      this.#logger.error({ err: error, instanceId: turn.instanceId }, 'answer to a turn cannot be applied');
      const message = error instanceof Error ? error.message : String(error);
      await this.commit((unit) => this.#turnCommit.fail(turn, 'InvalidWorkflowResponse', message, unit));
    }
  }

  #refuseTurn(turn: Turn, sizeBytes: number): void {
    this.#stall(turn, turnTooLarge(sizeBytes, this.maxMessageBytes))
      .finally(() => this.#dispatcher.turns.close(turn))
      // A failed commit has stopped the whole engine and told its owner already.
      .catch(() => {});
  }

  async #stall(turn: Turn, stall: Stall): Promise<void> {
    const { instanceId } = turn;
    await this.commit((unit) => this.#turnCommit.stall(turn, stall, unit));
    this.#logger.warn({ instanceId, reason: stall.message }, 'workflow is stalled');
  }

  async #commitResult(task: TaskRef, answer: ActivityResponse, sizeBytes: number): Promise<void> {
    let { result, failureDetails } = answer;
    if (sizeBytes > this.maxMessageBytes) {
      result = undefined;
      failureDetails = encodeFailure('PayloadTooLarge', tooLarge('activity result', sizeBytes, this.maxMessageBytes));
    }
    await this.commit((unit) => {
      unit.steps?.push('activity-result');
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
