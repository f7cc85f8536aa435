import { SidecarError } from '../sidecar-error.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

/**
 * Every table but `instances` hangs on `run`, a number that is never used twice: an instance id that is used again after a
 * purge or a recreation shares nothing with its predecessor. `execution_id` tells the generations of one run apart.
 *
 * What is to be done is always a row: an inbox row wants a turn, a task row wants an activity, a timer row wants to fire.
 */
const TABLES = `
CREATE TABLE instances (
  run INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  execution_id TEXT NOT NULL,
  name TEXT NOT NULL,
  version TEXT,
  status INTEGER NOT NULL,
  held INTEGER NOT NULL,               -- 1 until the scheduled start time came
  suspend_requested INTEGER NOT NULL DEFAULT 0,
  custom_status TEXT NOT NULL DEFAULT '',
  history_length INTEGER NOT NULL DEFAULT 0,
  parent_run INTEGER,
  parent_id TEXT,
  parent_execution_id TEXT,
  parent_task_id INTEGER,
  created_at INTEGER NOT NULL,         -- all times are milliseconds since 1970
  updated_at INTEGER NOT NULL,
  scheduled_at INTEGER,
  completed_at INTEGER
) STRICT;
CREATE INDEX instances_by_parent ON instances (parent_run) WHERE parent_run IS NOT NULL;

-- Apart from instances, so that the update every turn makes there does not rewrite large values.
CREATE TABLE payloads (
  run INTEGER PRIMARY KEY,
  input TEXT,
  output TEXT,
  failure BLOB                         -- encoded TaskFailureDetails
) STRICT;

CREATE TABLE history (
  run INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  event BLOB NOT NULL,                 -- encoded HistoryEvent
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  kind INTEGER NOT NULL,               -- field number of the event in HistoryEvent
  event BLOB NOT NULL
) STRICT;
CREATE INDEX inbox_by_run ON inbox (run);

CREATE TABLE tasks (
  id INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  execution_id TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  task_id INTEGER NOT NULL,
  work_item BLOB NOT NULL              -- encoded WorkItem, sent as it is
) STRICT;
CREATE INDEX tasks_by_run ON tasks (run);

CREATE TABLE timers (
  run INTEGER NOT NULL,
  timer_id INTEGER NOT NULL,           -- 0: the scheduled start
  fire_at INTEGER NOT NULL,
  event BLOB,                          -- what goes to the inbox when due
  PRIMARY KEY (run, timer_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX timers_by_time ON timers (fire_at);
`;

/** Versions of the code of a workflow, and indexes for what is asked across all instances. */
const VERSIONS_AND_INDEXES = `
ALTER TABLE instances ADD COLUMN patches TEXT;  -- JSON array of names
CREATE INDEX instances_by_creation ON instances (created_at);
CREATE INDEX instances_by_end ON instances (status, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX instances_stalled ON instances (run) WHERE status = 8;
`;

/** What leads from each version of the schema to the next. Released steps are never changed. */
const steps = [TABLES, VERSIONS_AND_INDEXES];

/** Creates the tables in an empty file, brings those of an older version up to date, or refuses a file that is not ours. */
export function prepareSchema(database: SqliteDatabase): void {
  const version = database.get<{ user_version: number }>('PRAGMA user_version')?.user_version ?? 0;
  const tables = database.get<{ count: number }>('SELECT count(*) AS count FROM sqlite_schema')?.count ?? 0;
  if (version > steps.length || (version === 0 && tables > 0)) {
    throw new SidecarError(
      'DATABASE_VERSION',
      `the database has version ${version}; this sidecar reads version ${steps.length} and older ones of its own`,
    );
  }
  if (version === steps.length) return;
  // A step that fails half-way leaves nothing: closing the handle rolls the transaction back.
  database.exec(`BEGIN; ${steps.slice(version).join('')} PRAGMA user_version = ${steps.length}; COMMIT`);
}
