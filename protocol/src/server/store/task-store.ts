import type { Artifact, Message, StreamResponse, Task, TaskState, TaskStatus } from '@a2a-js/sdk';
import type { Answer, Question } from '../../question.ts';
import type { Unit } from '../database/unit.ts';

/**
 * What the task core asks of its store: whole steps of a transaction, as units, so that one text of the core serves
 * every database and a caller can take further statements into the same commit. `describeTaskStoreContract` says what
 * each must do.
 */
export interface TaskStore {
  /**
   * Enters a send in the ledger. The insert decides, so any number at once agree on one.
   * @returns undefined for the first; else the task of the earlier send.
   * @throws MeshError `MESSAGE_ID_REUSED` when the earlier send had another body.
   */
  recordSend(send: Send): Unit<string | undefined>;
  /** Creates a task at generation 1 with its first message. */
  create(task: NewTask): Unit<TaskHead>;
  /** Adds a message to the history. @throws MeshError `RESOURCE_EXHAUSTED` at the bound of a task's history. */
  addMessage(taskId: string, message: Message): Unit<void>;
  /** The task's current row, without messages and artifacts. */
  head(taskId: string): Unit<TaskHead | undefined>;
  /**
   * Appends events to a task that is at `head.generation` and not terminal, one generation each, and changes fields.
   * @throws MeshError `TASK_TERMINAL`, or `TASK_BUSY` when the task has moved on.
   */
  append(head: TaskHead, events: readonly TaskEventBody[], fields?: TaskFields): Unit<TaskHead>;
  /** Changes fields that no client sees; the generation stays. */
  setFields(taskId: string, fields: { attempts?: number }): Unit<void>;
  /** What a turn starts from. */
  turn(taskId: string): Unit<TaskTurn | undefined>;
  /** The whole task; `historyLength` and `artifacts` leave parts of it out. */
  load(taskId: string, view?: TaskView): Unit<Task | undefined>;
  /** Events after a generation, in order. */
  events(taskId: string, after: number, limit: number): Unit<StoredEvent[]>;
  /** Tasks of a caller, the newest status first. */
  list(query: TaskQuery): Unit<TaskPage>;
  /** Ids of executed (not detached) tasks in a state, oldest first. */
  executedInState(state: TaskState, limit: number, after?: string): Unit<string[]>;
  /** The earliest deadline of a task that is not terminal. */
  nextDeadline(): Unit<number | undefined>;
  /** Ids of tasks whose deadline has passed. */
  overdue(nowMs: number, limit: number): Unit<string[]>;
  findEffect(effect: EffectKey): Unit<StoredEffect | undefined>;
  /** Stores an intent, or takes an earlier one over. */
  startEffect(effect: EffectKey, taskId: string, atMs: number): Unit<void>;
  finishEffect(effect: EffectKey, result: unknown): Unit<void>;
  /** Forgets an intent whose effect is known not to have happened. */
  forgetEffect(effect: EffectKey): Unit<void>;
  /** Deletes what is older than its retention, at most `limit` tasks and as many ledger rows. @returns rows deleted. */
  prune(before: { tasksMs: number; sendsMs: number }, limit: number): Unit<number>;
}

/** A send as the ledger keeps it. */
export interface Send {
  caller: string;
  messageId: string;
  bodyHash: string;
  taskId: string;
  atMs: number;
}

/** A task to be created. */
export interface NewTask {
  id: string;
  caller: string;
  contextId: string;
  skillId: string;
  detached: boolean;
  state: TaskState;
  atMs: number;
  attempts: number;
  deadlineAtMs: number | undefined;
  effectKey: string;
  message: Message;
}

/** A task's row. */
export interface TaskHead {
  readonly id: string;
  readonly caller: string;
  readonly contextId: string;
  readonly skillId: string;
  readonly detached: boolean;
  readonly state: TaskState;
  readonly generation: number;
  readonly status: TaskStatus;
  readonly statusAtMs: number;
  readonly attempts: number;
  readonly deadlineAtMs: number | undefined;
  readonly effectKey: string;
  /** How many questions the task has asked so far. */
  readonly asked: number;
  /** The open question of an executed task. */
  readonly question: Question | undefined;
}

/** One event to append. */
export type TaskEventBody =
  | { kind: 'status'; status: TaskStatus; atMs: number }
  | { kind: 'artifact'; artifact: Artifact; append: boolean; lastChunk: boolean };

/** Fields changed together with an append; those left out stay. */
export interface TaskFields {
  attempts?: number;
  /** null: none. */
  deadlineAtMs?: number | null;
  /** null: none is open any more. */
  question?: Question | null;
  /** null: none. */
  skillState?: { value: unknown } | null;
  answer?: Answer;
}

/** What a turn starts from: the first message holds the input, the last one started the turn. */
export interface TaskTurn {
  first: Message;
  last: Message;
  resumed: { state: unknown; answer: Answer } | undefined;
}

/** Which parts of a task to load. */
export interface TaskView {
  /** The last n messages; all by default. */
  historyLength?: number | undefined;
  /** True by default. */
  artifacts?: boolean;
}

/** An event read back from the log. */
export interface StoredEvent {
  readonly generation: number;
  readonly response: StreamResponse;
  /** The state this event brought, for a status event. */
  readonly state: TaskState | undefined;
}

/** A page of tasks asked for. */
export interface TaskQuery {
  caller: string;
  contextId?: string;
  state?: TaskState;
  statusAtFromMs?: number;
  pageSize: number;
  /** Where the previous page ended. */
  after?: { statusAtMs: number; id: string };
  view: TaskView;
}

/** A page of tasks. */
export interface TaskPage {
  tasks: Task[];
  totalSize: number;
  next: { statusAtMs: number; id: string } | undefined;
}

/** What identifies an effect of `task.once`. */
export interface EffectKey {
  caller: string;
  effectKey: string;
  key: string;
}

/** An effect as stored. */
export type StoredEffect = { done: false; taskId: string } | { done: true; taskId: string; result: unknown };
