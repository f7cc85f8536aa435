import type { DatabaseSchema } from '../database/sqlite-database.ts';

/**
 * The tables of the task core. Times are milliseconds since the epoch, states and JSON columns are in the wire form
 * (ProtoJSON), so that the file can be read with any SQLite tool.
 */
export interface TaskTables {
  tasks: {
    id: string;
    caller: string;
    context_id: string;
    skill_id: string;
    detached: number;
    state: string;
    generation: number;
    status: string;
    status_at: number;
    created_at: number;
    attempts: number;
    deadline_at: number | null;
    effect_key: string;
    asked: number;
    question: string | null;
    skill_state: string | null;
    answer: string | null;
  };
  /** One row per generation; the artifacts of a task are a fold over its artifact events. */
  task_events: { task_id: string; generation: number; kind: 'status' | 'artifact'; payload: string };
  task_messages: { task_id: string; seq: number; message: string };
  /** Which message made or reached which task; rows outlive the task as tombstones. */
  sends: { caller: string; message_id: string; body_hash: string; task_id: string; at: number };
  /** Effects by `task.once`: `done` is 0 between intent and result. */
  effects: {
    caller: string;
    effect_key: string;
    key: string;
    task_id: string;
    done: number;
    result: string | null;
    at: number;
  };
}

/** The schema of the task core, for `openSqliteDatabase({ schemas })`. */
export const taskSchema: DatabaseSchema = {
  component: 'tasks',
  versions: [
    `
    CREATE TABLE tasks (
      id TEXT PRIMARY KEY, caller TEXT NOT NULL, context_id TEXT NOT NULL, skill_id TEXT NOT NULL,
      detached INTEGER NOT NULL, state TEXT NOT NULL, generation INTEGER NOT NULL, status TEXT NOT NULL,
      status_at INTEGER NOT NULL, created_at INTEGER NOT NULL, attempts INTEGER NOT NULL, deadline_at INTEGER,
      effect_key TEXT NOT NULL, asked INTEGER NOT NULL, question TEXT, skill_state TEXT, answer TEXT
    ) WITHOUT ROWID;
    CREATE INDEX tasks_by_status ON tasks (caller, status_at DESC, id DESC);
    CREATE INDEX tasks_by_context ON tasks (caller, context_id);
    CREATE INDEX tasks_open ON tasks (state, id)
      WHERE detached = 0 AND state IN ('TASK_STATE_SUBMITTED', 'TASK_STATE_WORKING');
    CREATE INDEX tasks_by_age ON tasks (created_at);
    CREATE INDEX tasks_by_deadline ON tasks (deadline_at) WHERE deadline_at IS NOT NULL;
    CREATE TABLE task_events (
      task_id TEXT NOT NULL, generation INTEGER NOT NULL, kind TEXT NOT NULL, payload TEXT NOT NULL,
      PRIMARY KEY (task_id, generation)
    ) WITHOUT ROWID;
    CREATE TABLE task_messages (
      task_id TEXT NOT NULL, seq INTEGER NOT NULL, message TEXT NOT NULL, PRIMARY KEY (task_id, seq)
    ) WITHOUT ROWID;
    CREATE TABLE sends (
      caller TEXT NOT NULL, message_id TEXT NOT NULL, body_hash TEXT NOT NULL, task_id TEXT NOT NULL,
      at INTEGER NOT NULL, PRIMARY KEY (caller, message_id)
    ) WITHOUT ROWID;
    CREATE INDEX sends_by_age ON sends (at);
    CREATE TABLE effects (
      caller TEXT NOT NULL, effect_key TEXT NOT NULL, key TEXT NOT NULL, task_id TEXT NOT NULL,
      done INTEGER NOT NULL, result TEXT, at INTEGER NOT NULL, PRIMARY KEY (caller, effect_key, key)
    ) WITHOUT ROWID;
    CREATE INDEX effects_by_age ON effects (at);
    `,
  ],
};
