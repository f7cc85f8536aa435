import { setTimeout as delay } from 'node:timers/promises';
import { TaskState } from '@a2a-js/sdk';
import { isMeshError, MeshError } from '../../mesh-error.ts';
import { isTerminal } from '../../task-states.ts';
import type { Unit } from '../database/unit.ts';
import type { ExecutedSkill, Skill, SkillDelays } from '../skill.ts';
import type { TaskHead } from '../store/task-store.ts';
import { appendChange, failureChange } from './append-change.ts';
import { type AbortReason, RunningTask, type RunningServices, type TaskJob } from './running-task.ts';
import type { SkillChooser } from './skill-choice.ts';

const recoveryPage = 200;

/** What a runner needs beside the shared services. */
export interface TaskRunnerOptions {
  skills: Readonly<Record<string, Skill>>;
  chooser: SkillChooser;
  /** Slows every execution down, for tests that kill a process while it works. */
  skillDelaysMs: SkillDelays;
}

/**
 * Executes skills: each task once at a time, a bounded number side by side, the others waiting as rows. The process owns
 * all tasks of its database, so those found SUBMITTED or WORKING at start are orphans of an earlier life and run again.
 */
export class TaskRunner {
  readonly #services: RunningServices;
  readonly #options: TaskRunnerOptions;
  readonly #running = new Map<string, RunningTask>();
  /** Ids of open tasks waiting for a slot; the rows say everything else. */
  readonly #waiting: string[] = [];
  readonly #handedBack = new Set<string>();
  #reserved = 0;
  #isDraining = false;
  #idle: (() => void) | undefined;

  constructor(services: RunningServices, options: TaskRunnerOptions) {
    this.#services = services;
    this.#options = options;
  }

  /** Takes a slot for a task about to be created; false when it has to wait. */
  reserve(): boolean {
    if (this.#isDraining || this.#waiting.length > 0 || this.#inUse >= this.#services.limits.maxRunning) return false;
    this.#reserved += 1;
    return true;
  }

  /** Gives a slot back that was not used. */
  release(): void {
    this.#reserved -= 1;
    this.#fill();
  }

  /** @throws MeshError `RESOURCE_EXHAUSTED` when no further task may be opened. */
  assertRoom(): void {
    if (this.#inUse + this.#waiting.length < this.#services.limits.maxOpen) return;
    throw new MeshError('RESOURCE_EXHAUSTED', 'too many tasks are open at this agent', { retryable: true });
  }

  /** Starts a claimed task in a reserved slot. */
  start(job: TaskJob): void {
    this.#reserved -= 1;
    const task = new RunningTask(this.#services, job);
    this.#running.set(task.id, task);
    if (job.head.deadlineAtMs !== undefined) this.#services.onDeadline(job.head.deadlineAtMs);
    void this.#execute(task, job).finally(() => {
      this.#running.delete(task.id);
      if (this.#inUse === 0) this.#idle?.();
      this.#fill();
    });
  }

  /** Queues a committed task that found no slot. */
  enqueue(taskId: string): void {
    this.#waiting.push(taskId);
    this.#fill();
  }

  /** Aborts an execution whose task is over. */
  abort(taskId: string, reason: AbortReason): void {
    this.#running.get(taskId)?.abort(reason);
  }

  /** Takes up what an earlier life of the process left behind. */
  async recover(): Promise<void> {
    const { database, store } = this.#services;
    for (const state of [TaskState.TASK_STATE_WORKING, TaskState.TASK_STATE_SUBMITTED]) {
      let after = '';
      for (;;) {
        const ids = await database.read(() => store.executedInState(state, recoveryPage, after));
        for (const id of ids) this.#waiting.push(id);
        if (ids.length < recoveryPage) break;
        after = ids.at(-1) ?? after;
      }
    }
    this.#fill();
  }

  /** Aborts all executions without counting them as attempts; their tasks run again at the next start. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    for (const task of this.#running.values()) task.abort('shutdown');
    if (this.#inUse === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idle = resolve;
    const timer = setTimeout(resolve, this.#services.limits.drainMs);
    await promise;
    clearTimeout(timer);
    // Skills that ignore their signal: the process ends under them, which is no fault of theirs either.
    await Promise.all([...this.#running.keys()].map((taskId) => this.#handBack(taskId)));
  }

  get #inUse(): number {
    return this.#reserved + this.#running.size;
  }

  #fill(): void {
    while (!this.#isDraining && this.#inUse < this.#services.limits.maxRunning) {
      const taskId = this.#waiting.shift();
      if (taskId === undefined) return;
      this.#reserved += 1;
      void this.#claim(taskId);
    }
  }

  async #claim(taskId: string): Promise<void> {
    try {
      const job = await this.#services.database.write(() => this.#claimUnit(taskId));
      if (job) this.start(job);
      else this.release();
    } catch (error) {
      this.#services.logger.error({ err: error, taskId }, 'a task could not be claimed');
      this.release();
    }
  }

  /** Counts the attempt before it runs, so that a task that kills its process cannot do so for ever. */
  *#claimUnit(taskId: string): Unit<TaskJob | undefined> {
    const { store, now } = this.#services;
    const head = yield* store.head(taskId);
    if (!head || isTerminal(head.state)) return undefined;
    const found = Object.hasOwn(this.#options.skills, head.skillId) ? this.#options.skills[head.skillId] : undefined;
    const refusal = refuseAttempt(head, found);
    if (refusal || found?.kind !== 'executed') {
      yield* appendChange(this.#services, head, failureChange(refusal));
      return undefined;
    }
    const attempts = head.attempts + 1;
    const deadlineAtMs =
      head.deadlineAtMs ?? (found.timeoutMs === undefined ? undefined : now() + found.timeoutMs) ?? null;
    const claimed = yield* appendChange(
      this.#services,
      head,
      head.state === TaskState.TASK_STATE_WORKING ? {} : { status: { state: TaskState.TASK_STATE_WORKING } },
      { attempts, deadlineAtMs },
    );
    return yield* this.#toJob(claimed, found);
  }

  *#toJob(head: TaskHead, skill: ExecutedSkill): Unit<TaskJob | undefined> {
    const turn = yield* this.#services.store.turn(head.id);
    if (!turn) throw new MeshError('INTERNAL', 'the task has no messages');
    try {
      const { input } = this.#options.chooser.read(turn.first, head.skillId);
      return { head, skill, input, message: turn.last, resumed: turn.resumed };
    } catch (error) {
      // A newer release of the skill no longer takes this input.
      yield* appendChange(this.#services, head, failureChange(error));
      return undefined;
    }
  }

  async #execute(task: RunningTask, job: TaskJob): Promise<void> {
    const { logger } = this.#services;
    try {
      if (this.#isDraining) task.abort('shutdown');
      const { skillDelaysMs } = this.#options;
      const delayMs = skillDelaysMs[job.head.skillId] ?? skillDelaysMs['*'] ?? 0;
      if (delayMs > 0) await delay(delayMs, undefined, { signal: task.signal });
      const { head, input, message, resumed } = job;
      const output = await job.skill.run({ input, task, message, caller: head.caller, ...(resumed && { resumed }) });
      if (!task.isOver) await task.complete(output);
      else if (this.#isDraining) await this.#handBack(task.id);
    } catch (error) {
      await this.#settle(task, error).catch((failure: unknown) => {
        logger.error({ err: failure, taskId: task.id }, 'the end of a task could not be stored');
      });
    }
  }

  async #settle(task: RunningTask, error: unknown): Promise<void> {
    if (task.signal.aborted) return this.#isDraining ? this.#handBack(task.id) : undefined;
    // The turn has ended in a question, and the skill was left by the rejection of `ask`.
    if (task.isOver) return undefined;
    const { logger } = this.#services;
    if (isMeshError(error)) logger.info({ err: error, taskId: task.id }, 'a task failed');
    else logger.error({ err: error, taskId: task.id }, 'a skill failed unexpectedly');
    await task.fail(error);
  }

  /** Takes the attempt back that an orderly shutdown cut short. */
  async #handBack(taskId: string): Promise<void> {
    if (this.#handedBack.has(taskId)) return;
    this.#handedBack.add(taskId);
    const { database, store } = this.#services;
    await database.write(function* (): Unit<void> {
      const head = yield* store.head(taskId);
      if (head?.state === TaskState.TASK_STATE_WORKING && head.attempts > 0) {
        yield* store.setFields(taskId, { attempts: head.attempts - 1 });
      }
    });
  }
}

/** Why a task may not be executed (again). */
function refuseAttempt(head: TaskHead, found: Skill | undefined): MeshError | undefined {
  if (found?.kind !== 'executed') return new MeshError('SKILL_NOT_FOUND', 'this agent no longer has the skill');
  if (head.attempts > 0 && !found.repeatable) {
    return new MeshError('OUTCOME_UNKNOWN', 'the agent stopped while it worked, and the skill may not be repeated');
  }
  if (head.attempts >= found.maxAttempts) {
    return new MeshError('ATTEMPTS_EXHAUSTED', `the agent stopped ${head.attempts} times while it worked`);
  }
  return undefined;
}
