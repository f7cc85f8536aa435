import {
  type CancelTaskRequest,
  type GetTaskRequest,
  type ListTasksRequest,
  type ListTasksResponse,
  type Message,
  type SendMessageRequest,
  type Task,
  TaskState,
} from '@a2a-js/sdk';
import { extensionData, extensionUris } from '../../extensions.ts';
import { newId } from '../../ids.ts';
import { MeshError } from '../../mesh-error.ts';
import { isTerminal } from '../../task-states.ts';
import { afterCommit, type Database, type Unit } from '../database/unit.ts';
import type { Skill, TaskChange } from '../skill.ts';
import { taskStore } from '../store/kysely-task-store.ts';
import type { TaskView } from '../store/task-store.ts';
import type { Call, TaskCore, TaskCoreOptions } from '../task-core.ts';
import { appendChange, failureChange } from './append-change.ts';
import { defaultTaskLimits } from './core-services.ts';
import { DeadlineTimer } from './deadlines.ts';
import { fromPageToken, toPageToken } from './page-token.ts';
import type { RunningServices } from './running-task.ts';
import { ownTask, TaskSends } from './sends.ts';
import { createSkillChooser, withRequestMetadata } from './skill-choice.ts';
import { TaskRunner } from './task-runner.ts';
import { TaskSignals } from './task-signals.ts';
import { type StreamOptions, streamTask, type TaskEvent } from './task-stream.ts';

const expiryPage = 100;
const pruneEveryMs = 60 * 60 * 1000;
const prunePage = 500;

/** The {@link TaskCore} of this package. */
export class DurableTaskCore implements TaskCore {
  readonly database: Database;
  readonly #services: RunningServices;
  readonly #skills: Readonly<Record<string, Skill>>;
  readonly #runner: TaskRunner;
  readonly #sends: TaskSends;
  readonly #deadlines: DeadlineTimer;
  readonly #closing = new AbortController();
  #pruner: NodeJS.Timeout | undefined;
  #drained: Promise<void> | undefined;
  #openStreams = 0;

  constructor(options: TaskCoreOptions) {
    const { database, logger, skills } = options;
    this.database = database;
    this.#skills = skills;
    this.#services = {
      database,
      logger,
      store: taskStore,
      signals: new TaskSignals(),
      now: Date.now,
      limits: { ...defaultTaskLimits, ...options.limits },
      ownerOf: (caller) => options.taskOwner ?? caller,
      onFollow: options.onFollow,
      effectsUnderWay: new Map(),
      onDeadline: (atMs) => this.#deadlines.consider(atMs),
    };
    const chooser = createSkillChooser(options.card, skills);
    this.#runner = new TaskRunner(this.#services, { skills, chooser, skillDelaysMs: options.skillDelaysMs ?? {} });
    this.#sends = new TaskSends({
      services: this.#services,
      skills,
      chooser,
      runner: this.#runner,
      idempotency: options.idempotency ?? true,
    });
    this.#deadlines = new DeadlineTimer({
      now: this.#services.now,
      expire: () => this.#expire(),
      onError: (error) => logger.error({ err: error }, 'deadlines could not be checked'),
    });
  }

  /** Takes up executions and deadlines of an earlier life. */
  async recover(): Promise<void> {
    await this.#deadlines.fire();
    await this.#runner.recover();
    void this.#prune();
    this.#pruner = setInterval(() => void this.#prune(), pruneEveryMs).unref();
  }

  async sendMessage(request: SendMessageRequest, call: Call): Promise<Task> {
    const message = this.#messageOf(request);
    const taskId = await this.#sends.take(message, call.caller);
    const timeoutMs = this.#waitMs(request, message);
    if (timeoutMs > 0) {
      const { signals } = this.#services;
      const signal = this.#whileCalled(call);
      await signals.settled(taskId, () => this.#state(taskId), { timeoutMs, signal });
    }
    return this.#load(taskId, { historyLength: request.configuration?.historyLength });
  }

  async *streamMessage(request: SendMessageRequest, call: Call): AsyncGenerator<TaskEvent> {
    this.#assertStreams();
    const taskId = await this.#sends.take(this.#messageOf(request), call.caller);
    const historyLength = request.configuration?.historyLength;
    yield* this.#stream(taskId, { after: undefined, historyLength, signal: this.#whileCalled(call) });
  }

  async *subscribe(taskId: string, call: Call & { after?: number }): AsyncGenerator<TaskEvent> {
    this.#assertOpen();
    this.#assertStreams();
    const head = await this.database.read(() => ownTask(this.#services, taskId, call.caller));
    if (isTerminal(head.state) && call.after === undefined) {
      throw new MeshError('TASK_TERMINAL', 'the task is over and has no more events', { details: { taskId } });
    }
    yield* this.#stream(taskId, { after: call.after, historyLength: undefined, signal: this.#whileCalled(call) });
  }

  async *#stream(taskId: string, options: StreamOptions): AsyncGenerator<TaskEvent> {
    this.#openStreams += 1;
    try {
      yield* streamTask(this.#services, taskId, options);
    } finally {
      this.#openStreams -= 1;
    }
  }

  async getTask(request: GetTaskRequest, call: Call): Promise<Task> {
    await this.database.read(() => ownTask(this.#services, request.id, call.caller));
    return this.#load(request.id, { historyLength: request.historyLength });
  }

  async listTasks(request: ListTasksRequest, call: Call): Promise<ListTasksResponse> {
    const { store } = this.#services;
    const pageSize = request.pageSize || 50;
    const after = request.pageToken === '' ? undefined : fromPageToken(request.pageToken);
    const page = await this.database.read(() =>
      store.list({
        caller: this.#services.ownerOf(call.caller),
        pageSize,
        view: { historyLength: request.historyLength, artifacts: request.includeArtifacts ?? false },
        ...(request.contextId !== '' && { contextId: request.contextId }),
        ...(request.status !== TaskState.TASK_STATE_UNSPECIFIED && { state: request.status }),
        ...(request.statusTimestampAfter && { statusAtFromMs: Date.parse(request.statusTimestampAfter) }),
        ...(after && { after }),
      }),
    );
    return {
      tasks: page.tasks,
      totalSize: page.totalSize,
      pageSize,
      nextPageToken: page.next ? toPageToken(page.next) : '',
    };
  }

  async cancelTask(request: CancelTaskRequest, call: Call): Promise<Task> {
    this.#assertOpen();
    await this.database.write(() => this.#cancel(request.id, call.caller));
    return this.#load(request.id, {});
  }

  *append(taskId: string, change: TaskChange): Unit<number> {
    const head = yield* this.#services.store.head(taskId);
    if (!head) throw new MeshError('TASK_NOT_FOUND', 'there is no such task', { details: { taskId } });
    return (yield* appendChange(this.#services, head, change)).generation;
  }

  *create(fields: {
    taskId: string;
    contextId?: string;
    skillId: string;
    message: Message;
    caller: string;
  }): Unit<void> {
    const { store, now } = this.#services;
    const contextId = fields.contextId ?? newId();
    yield* store.create({
      id: fields.taskId,
      caller: this.#services.ownerOf(fields.caller),
      contextId,
      skillId: fields.skillId,
      detached: true,
      state: TaskState.TASK_STATE_SUBMITTED,
      attempts: 0,
      deadlineAtMs: undefined,
      effectKey: `task:${fields.taskId}`,
      atMs: now(),
      message: { ...fields.message, taskId: fields.taskId, contextId },
    });
  }

  *load(taskId: string): Unit<Task | undefined> {
    return yield* this.#services.store.load(taskId);
  }

  drain(): Promise<void> {
    this.#closing.abort();
    this.#deadlines.stop();
    clearInterval(this.#pruner);
    return (this.#drained ??= this.#runner.drain());
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) {
      throw new MeshError('UNAVAILABLE', 'the agent is shutting down', { retryable: true });
    }
  }

  #assertStreams(): void {
    if (this.#openStreams < this.#services.limits.maxStreams) return;
    throw new MeshError('RESOURCE_EXHAUSTED', 'too many streams are open at this agent', { retryable: true });
  }

  #messageOf(request: SendMessageRequest): Message {
    this.#assertOpen();
    const message = withRequestMetadata(request);
    if (!message) throw new MeshError('INVALID_ARGUMENT', 'message is missing', { details: { path: 'message' } });
    return message;
  }

  #waitMs(request: SendMessageRequest, message: Message): number {
    const { blockingSendMs, maxLingerMs } = this.#services.limits;
    if (!request.configuration?.returnImmediately) return blockingSendMs;
    const ms = extensionData(message.metadata, extensionUris.linger)?.['ms'];
    return typeof ms === 'number' && ms > 0 ? Math.min(ms, maxLingerMs) : 0;
  }

  #whileCalled(call: Call): AbortSignal {
    return call.signal ? AbortSignal.any([call.signal, this.#closing.signal]) : this.#closing.signal;
  }

  async #state(taskId: string): Promise<TaskState> {
    const head = await this.database.read(() => this.#services.store.head(taskId));
    return head?.state ?? TaskState.TASK_STATE_UNSPECIFIED;
  }

  async #load(taskId: string, view: TaskView): Promise<Task> {
    const task = await this.database.read(() => this.#services.store.load(taskId, view));
    if (task) return task;
    throw new MeshError('TASK_NOT_FOUND', 'the task was deleted after its retention time', { details: { taskId } });
  }

  *#cancel(taskId: string, caller: string): Unit<void> {
    const head = yield* ownTask(this.#services, taskId, caller);
    if (head.state === TaskState.TASK_STATE_CANCELED) return;
    if (isTerminal(head.state)) {
      throw new MeshError('TASK_NOT_CANCELABLE', 'the task is already over', { details: { taskId } });
    }
    if (!head.detached) {
      yield* appendChange(this.#services, head, { status: { state: TaskState.TASK_STATE_CANCELED } });
      yield* afterCommit(() => this.#runner.abort(taskId, 'cancel'));
      return;
    }
    const owner = Object.hasOwn(this.#skills, head.skillId) ? this.#skills[head.skillId] : undefined;
    const task = yield* this.#services.store.load(taskId);
    if (owner?.kind !== 'detached' || !task) {
      throw new MeshError('TASK_NOT_CANCELABLE', 'this agent no longer has the skill');
    }
    yield* owner.onCancel({ task, caller });
  }

  async #expire(): Promise<number | undefined> {
    const { store, now } = this.#services;
    for (;;) {
      const ids = await this.database.read(() => store.overdue(now(), expiryPage));
      if (ids.length === 0) return this.database.read(() => store.nextDeadline());
      await Promise.all(ids.map((id) => this.database.write(() => this.#expireTask(id))));
    }
  }

  *#expireTask(taskId: string): Unit<void> {
    const { store, now } = this.#services;
    const head = yield* store.head(taskId);
    if (!head || head.deadlineAtMs === undefined || head.deadlineAtMs > now()) return;
    const what = head.question ? 'nobody answered in time' : 'the skill took too long';
    yield* appendChange(this.#services, head, failureChange(new MeshError('DEADLINE_EXCEEDED', what)));
    yield* afterCommit(() => this.#runner.abort(taskId, 'deadline'));
  }

  async #prune(): Promise<void> {
    const { store, now, limits, logger } = this.#services;
    const before = { tasksMs: now() - limits.taskRetentionMs, sendsMs: now() - limits.idempotencyWindowMs };
    try {
      while ((await this.database.write(() => store.prune(before, prunePage))) >= prunePage);
    } catch (error) {
      if (!this.#closing.signal.aborted) logger.warn({ err: error }, 'old tasks could not be deleted');
    }
  }
}
