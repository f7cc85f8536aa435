import {
  type AgentCard,
  type CancelTaskRequest,
  type GetTaskRequest,
  type ListTasksRequest,
  type ListTasksResponse,
  type Message,
  type SendMessageRequest,
  type Task,
} from '@a2a-js/sdk';
import type { Logger } from 'pino';
import type { TaskEvent } from './core/task-stream.ts';
import type { TaskLimits } from './core/core-services.ts';
import { DurableTaskCore } from './core/durable-task-core.ts';
import type { Database, Unit } from './database/unit.ts';
import type { Skill, SkillDelays, TaskChange } from './skill.ts';

export type { TaskEvent };

/** Who calls, and when they are gone. */
export interface Call {
  /** Tasks belong to their caller; nobody else sees them. */
  caller: string;
  signal?: AbortSignal;
}

/** The durable tasks of one agent process, over one database. Nothing it returns or tells is uncommitted. */
export interface TaskCore {
  readonly database: Database;
  /**
   * Takes a message (A2A specification, 3.1.1). Waits until the task settles, at most 60 s, or with
   * `returnImmediately` for the linger the message asks for.
   */
  sendMessage(request: SendMessageRequest, call: Call): Promise<Task>;
  /** Takes a message and streams its task until that is terminal. */
  streamMessage(request: SendMessageRequest, call: Call): AsyncGenerator<TaskEvent>;
  /** Streams a task: first the task as it is; with `after`, only what came after that generation. */
  subscribe(taskId: string, call: Call & { after?: number }): AsyncGenerator<TaskEvent>;
  getTask(request: GetTaskRequest, call: Call): Promise<Task>;
  listTasks(request: ListTasksRequest, call: Call): Promise<ListTasksResponse>;
  cancelTask(request: CancelTaskRequest, call: Call): Promise<Task>;
  /**
   * Appends to a task, for its owner; to be used inside `database.write`.
   * @returns the new generation. @throws MeshError `TASK_TERMINAL`, `TASK_NOT_FOUND`.
   */
  append(taskId: string, change: TaskChange): Unit<number>;
  /** Creates a detached task without calling its owner's hook: a task born by its owner. */
  create(fields: { taskId: string; contextId?: string; skillId: string; message: Message; caller: string }): Unit<void>;
  /** The whole task, whoever it belongs to. */
  load(taskId: string): Unit<Task | undefined>;
  /** Refuses new work, aborts running skills without counting the attempt, ends streams and waits. */
  drain(): Promise<void>;
}

/** What a {@link TaskCore} is made of. */
export interface TaskCoreOptions {
  /** Opened with `taskSchema`. */
  database: Database;
  card: AgentCard;
  /** By skill id; skills the card does not list cannot be chosen. */
  skills: Readonly<Record<string, Skill>>;
  logger: Logger;
  /** Whose all tasks are, for an agent whose callers share them; by default a task is its caller's alone. */
  taskOwner?: string;
  /** Whether a repeated messageId is recognized; true by default. */
  idempotency?: boolean;
  limits?: Partial<TaskLimits>;
  /** Slows executions down, for tests. */
  skillDelaysMs?: SkillDelays;
  /** Told of each stream that follows a task; what it returns is called at the stream's end. */
  onFollow?: (taskId: string) => () => void;
}

/** Makes the task core of an agent and takes up the tasks an earlier process left behind. */
export async function createTaskCore(options: TaskCoreOptions): Promise<TaskCore> {
  const core = new DurableTaskCore(options);
  await core.recover();
  return core;
}
