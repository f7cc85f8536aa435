import type { Logger } from 'pino';
import type { Database } from '../database/unit.ts';
import type { TaskStore } from '../store/task-store.ts';
import type { TaskSignals } from './task-signals.ts';

/** What the parts of the task core share. */
export interface CoreServices {
  readonly database: Database;
  readonly store: TaskStore;
  readonly signals: TaskSignals;
  readonly logger: Logger;
  readonly now: () => number;
  readonly limits: TaskLimits;
  /** Whose the tasks that a caller starts are, and who sees them. */
  readonly ownerOf: (caller: string) => string;
  /** Told of each stream that follows a task; what it returns is called at the stream's end. */
  readonly onFollow: ((taskId: string) => () => void) | undefined;
}

/** Bounds of a task core; beyond them it refuses with `RESOURCE_EXHAUSTED` or answers with what it has. */
export interface TaskLimits {
  /** Skills executed at a time; further tasks wait as rows. */
  maxRunning: number;
  /** Executed tasks that are running or waiting to. */
  maxOpen: number;
  /** Streams open at a time. */
  maxStreams: number;
  /** How long a blocking send waits for the task to settle. */
  blockingSendMs: number;
  /** The longest linger a caller may ask for. */
  maxLingerMs: number;
  /** How long a shutdown waits for aborted skills. */
  drainMs: number;
  /** How long a finished task is kept. */
  taskRetentionMs: number;
  /** How long a messageId and an effect are remembered. */
  idempotencyWindowMs: number;
}

const dayMs = 24 * 60 * 60 * 1000;

/** The bounds where nothing else is configured. */
export const defaultTaskLimits: TaskLimits = {
  maxRunning: 64,
  maxOpen: 10_000,
  maxStreams: 1_000,
  blockingSendMs: 60_000,
  maxLingerMs: 2_000,
  drainMs: 5_000,
  taskRetentionMs: 30 * dayMs,
  idempotencyWindowMs: 90 * dayMs,
};
