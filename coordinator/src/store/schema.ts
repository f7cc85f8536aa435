import { sqliteQueryBuilder } from '@daca-mesh/protocol/server';
import type { Generated } from 'kysely';

/**
 * The coordinator's own tables. They live in one database with the task core's, so that a step (a call settled, its
 * timeline entry, the event that tells the workflow) is one commit. Times are Unix milliseconds; values are JSON text.
 * Rows are the truth: whatever must happen next can be found here by its status.
 */
export interface CoordinatorSchema {
  runs: RunRow;
  calls: CallRow;
  questions: QuestionRow;
  question_approvals: QuestionApprovalRow;
  waits: WaitRow;
  received_events: ReceivedEventRow;
  outbox: OutboxRow;
  deadlines: DeadlineRow;
  timeline: TimelineRow;
  payloads: PayloadRow;
  payload_uses: PayloadUseRow;
  map_items: MapItemRow;
}

export type RunStatus =
  | 'pending'
  | 'running'
  | 'waiting'
  | 'suspended'
  | 'stalled'
  | 'canceling'
  | 'completed'
  | 'failed'
  | 'canceled';

/** `status` holds pending, running, stalled and the three ends; waiting, suspended and canceling follow from flags. */
export interface RunRow {
  run_id: string;
  workflow: string;
  version: number;
  status: 'pending' | 'running' | 'stalled' | 'completed' | 'failed' | 'canceled';
  generation: number;
  token: string;
  caller: string;
  input: string;
  output: string | null;
  error: string | null;
  progress: string | null;
  suspended: number;
  /** 0 no, 1 asked for, 2 the time limit of a child. */
  canceling: number;
  cancel_reason: string | null;
  /** A child: the run at the top of its tree, the run that started it, and where it stands below the first. */
  root_run_id: string | null;
  parent_run_id: string | null;
  path: string | null;
  /** What a child handed back to be undone, when it ended. */
  undos: string | null;
  /** Why it is stalled; null while it is not. */
  stall: string | null;
  open_questions: number;
  /** Last numbers given out: of events raised to the instance, and of timeline entries. */
  last_event: number;
  last_seq: number;
  created_at: number;
  updated_at: number;
  finished_at: number | null;
}

export interface CallRow {
  call_id: string;
  attempt: number;
  run_id: string;
  generation: number;
  path: string;
  skill: string | null;
  /** Card name of the chosen peer, and its origin. */
  agent: string | null;
  peer_url: string | null;
  /** The exact SendMessage parameters, frozen: every send of this attempt has the same bytes. */
  request: string;
  message_id: string;
  effect_key: string;
  options: string;
  /** unsent: known not sent · sending: may have been sent · open: task known · settled: outcome known. */
  state: 'unsent' | 'sending' | 'open' | 'settled';
  /** Why the run no longer wants it: 0 it does, 1 given up, 2 time limit, 3 no progress. */
  abandoned: number;
  task_id: string | null;
  outcome: string | null;
  /** What the watcher saw last: a generation, or a status timestamp of a foreign peer. */
  watermark: string | null;
  progressed_at: number;
  next_at: number;
  tries: number;
  created_at: number;
  settled_at: number | null;
}

export interface QuestionRow {
  question_id: string;
  run_id: string;
  /** The run it shows on; another one than `run_id` where a child asks, which stands at `child_path`. */
  root_run_id: string;
  child_path: string | null;
  generation: number;
  /** Set when an agent asks: the call, and the agent's own question id. */
  call_id: string | null;
  attempt: number | null;
  remote_question_id: string | null;
  event: string | null;
  prompt: string;
  schema: string | null;
  actions: string;
  arguments: string | null;
  arguments_hash: string | null;
  path: string;
  assignee: string | null;
  deadline_at: number | null;
  on_deadline: string | null;
  escalation: string;
  escalated: number;
  reminders: string;
  reminded: number;
  /** People and roles: those it is for, and everybody it was escalated to. Empty: whoever can. */
  may_answer: string;
  /** How many must approve, and who; null where one answer decides. */
  approvals: string | null;
  status: 'open' | 'answered' | 'expired' | 'withdrawn';
  answer: string | null;
  answered_by: string | null;
  asked_at: number;
  closed_at: number | null;
  /** When the answer reached the agent that asked; null until then, and for questions of workflows. */
  delivered_at: number | null;
}

/** An approval of a question that needs several; whoever is there has approved. */
interface QuestionApprovalRow {
  question_id: string;
  principal: string;
  run_id: string;
  at: number;
  reason: string | null;
}

export interface WaitRow {
  wait_id: string;
  run_id: string;
  /** The run whose events end it too. */
  root_run_id: string;
  event: string;
  status: 'open' | 'received' | 'timed-out' | 'withdrawn';
  payload: string | null;
  created_at: number;
}

export interface ReceivedEventRow {
  event_id: string;
  run_id: string;
  name: string;
  payload: string;
  received_at: number;
  consumed_by: string | null;
  /** Who sent it; null for those of before this was noted. */
  caller: string | null;
}

export interface OutboxRow {
  outbox_id: Generated<number>;
  run_id: string;
  kind: 'start' | 'raise' | 'resume' | 'purge';
  /** The number of a raised event within its run; 0 for the other kinds. */
  event_no: number;
  name: string;
  payload: string;
  /** pending: not yet accepted by the engine · raised: accepted, not yet known to be consumed · done. */
  state: 'pending' | 'raised' | 'done';
  tries: number;
  next_at: number;
}

export interface DeadlineRow {
  kind:
    | 'call-limit'
    | 'call-silence'
    | 'question'
    | 'escalation'
    | 'reminder'
    | 'wait'
    | 'child'
    | 'purge'
    | 'retention';
  ref: string;
  run_id: string;
  due_at: number;
}

export interface TimelineRow {
  run_id: string;
  seq: number;
  at: number;
  type: TimelineType;
  call_id: string | null;
  agent: string | null;
  task_id: string | null;
  attempt: number | null;
  data: string | null;
  /** The child it is about, and where that stands. */
  child_id: string | null;
  child_path: string | null;
}

/** An item of a `map`. */
export interface MapItemRow {
  map_id: string;
  item: number;
  run_id: string;
  /** The child that works on it, or did. */
  lane_id: string | null;
  input: string;
  outcome: string | null;
  undos: string | null;
}

/** A large value of a run, by the digest of its JSON. */
interface PayloadRow {
  digest: string;
  bytes: number;
  json: string;
  created_at: number;
}

/** A run that refers to a large value. */
interface PayloadUseRow {
  run_id: string;
  digest: string;
}

/** The closed list of timeline entry types. */
export const timelineTypes = [
  'run-started',
  'child-started',
  'child-completed',
  'child-failed',
  'child-canceled',
  'call-sent',
  'call-progress',
  'call-completed',
  'call-failed',
  'call-canceled',
  'question-asked',
  'question-reminded',
  'question-escalated',
  'question-approved',
  'question-answered',
  'question-expired',
  'question-withdrawn',
  'waiting',
  'event-received',
  'progress',
  'retry-scheduled',
  'compensation-started',
  'compensation-completed',
  'run-suspended',
  'run-resumed',
  'run-stalled',
  'warning',
  'cancel-requested',
  'run-completed',
  'run-failed',
  'run-canceled',
] as const;
export type TimelineType = (typeof timelineTypes)[number];

/** Builds queries over the coordinator's tables. */
export const query = sqliteQueryBuilder<CoordinatorSchema>();

/** The coordinator's schema, one entry per version, applied in order after the task core's. */
export const coordinatorMigrations: readonly string[] = [
  `
  CREATE TABLE runs (
    run_id TEXT PRIMARY KEY, workflow TEXT NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL,
    generation INTEGER NOT NULL, token TEXT NOT NULL, caller TEXT NOT NULL, input TEXT NOT NULL, output TEXT, error TEXT,
    progress TEXT, suspended INTEGER NOT NULL, canceling INTEGER NOT NULL, cancel_reason TEXT,
    open_questions INTEGER NOT NULL, last_event INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, finished_at INTEGER) STRICT;
  CREATE INDEX runs_by_time ON runs (created_at DESC, run_id DESC);
  CREATE INDEX runs_by_status ON runs (status, created_at DESC);

  CREATE TABLE calls (
    call_id TEXT NOT NULL, attempt INTEGER NOT NULL, run_id TEXT NOT NULL, generation INTEGER NOT NULL,
    path TEXT NOT NULL, skill TEXT, agent TEXT, peer_url TEXT, request TEXT NOT NULL, message_id TEXT NOT NULL,
    effect_key TEXT NOT NULL, options TEXT NOT NULL, state TEXT NOT NULL, abandoned INTEGER NOT NULL, task_id TEXT,
    outcome TEXT, watermark TEXT, progressed_at INTEGER NOT NULL, next_at INTEGER NOT NULL, tries INTEGER NOT NULL,
    created_at INTEGER NOT NULL, settled_at INTEGER, PRIMARY KEY (call_id, attempt)) STRICT;
  CREATE INDEX calls_by_run ON calls (run_id);
  CREATE INDEX calls_live ON calls (next_at) WHERE state <> 'settled';
  CREATE INDEX calls_by_task ON calls (peer_url, task_id) WHERE state = 'open';

  CREATE TABLE questions (
    question_id TEXT PRIMARY KEY, run_id TEXT NOT NULL, generation INTEGER NOT NULL, call_id TEXT, attempt INTEGER,
    remote_question_id TEXT, event TEXT, prompt TEXT NOT NULL, schema TEXT, actions TEXT NOT NULL, arguments TEXT,
    arguments_hash TEXT, path TEXT NOT NULL, assignee TEXT, deadline_at INTEGER, on_deadline TEXT,
    escalation TEXT NOT NULL, escalated INTEGER NOT NULL, status TEXT NOT NULL, answer TEXT, answered_by TEXT,
    asked_at INTEGER NOT NULL, closed_at INTEGER, delivered_at INTEGER) STRICT;
  CREATE INDEX questions_by_run ON questions (run_id, status);
  CREATE INDEX questions_by_status ON questions (status, asked_at DESC);
  CREATE INDEX questions_undelivered ON questions (closed_at)
    WHERE call_id IS NOT NULL AND delivered_at IS NULL AND status <> 'open';

  CREATE TABLE waits (
    wait_id TEXT PRIMARY KEY, run_id TEXT NOT NULL, event TEXT NOT NULL, status TEXT NOT NULL, payload TEXT,
    created_at INTEGER NOT NULL) STRICT;
  CREATE INDEX waits_by_run ON waits (run_id, event);

  CREATE TABLE received_events (
    event_id TEXT PRIMARY KEY, run_id TEXT NOT NULL, name TEXT NOT NULL, payload TEXT NOT NULL,
    received_at INTEGER NOT NULL, consumed_by TEXT) STRICT;
  CREATE INDEX received_events_by_run ON received_events (run_id, name, received_at);

  CREATE TABLE outbox (
    outbox_id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, kind TEXT NOT NULL, event_no INTEGER NOT NULL,
    name TEXT NOT NULL, payload TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL, next_at INTEGER NOT NULL) STRICT;
  CREATE INDEX outbox_live ON outbox (state, next_at) WHERE state <> 'done';
  CREATE INDEX outbox_by_run ON outbox (run_id, event_no);

  CREATE TABLE deadlines (
    kind TEXT NOT NULL, ref TEXT NOT NULL, run_id TEXT NOT NULL, due_at INTEGER NOT NULL, PRIMARY KEY (kind, ref)) STRICT;
  CREATE INDEX deadlines_due ON deadlines (due_at);
  CREATE INDEX deadlines_by_run ON deadlines (run_id);

  CREATE TABLE timeline (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, type TEXT NOT NULL, call_id TEXT, agent TEXT,
    task_id TEXT, attempt INTEGER, data TEXT, PRIMARY KEY (run_id, seq)) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE runs ADD COLUMN stall TEXT;

  CREATE TABLE payloads (
    digest TEXT PRIMARY KEY, bytes INTEGER NOT NULL, json TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
  CREATE TABLE payload_uses (
    run_id TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (run_id, digest)) STRICT, WITHOUT ROWID;
  CREATE INDEX payload_uses_by_digest ON payload_uses (digest);
  `,
  `
  ALTER TABLE runs ADD COLUMN root_run_id TEXT;
  ALTER TABLE runs ADD COLUMN parent_run_id TEXT;
  ALTER TABLE runs ADD COLUMN path TEXT;
  ALTER TABLE runs ADD COLUMN undos TEXT;
  CREATE INDEX runs_by_root ON runs (root_run_id) WHERE root_run_id IS NOT NULL;
  CREATE INDEX runs_by_parent ON runs (parent_run_id) WHERE parent_run_id IS NOT NULL;

  ALTER TABLE questions ADD COLUMN root_run_id TEXT NOT NULL DEFAULT '';
  ALTER TABLE questions ADD COLUMN child_path TEXT;
  UPDATE questions SET root_run_id = run_id;
  CREATE INDEX questions_by_root ON questions (root_run_id, status);

  ALTER TABLE waits ADD COLUMN root_run_id TEXT NOT NULL DEFAULT '';
  UPDATE waits SET root_run_id = run_id;
  CREATE INDEX waits_by_root ON waits (root_run_id, event);

  ALTER TABLE timeline ADD COLUMN child_id TEXT;
  ALTER TABLE timeline ADD COLUMN child_path TEXT;

  CREATE TABLE map_items (
    map_id TEXT NOT NULL, item INTEGER NOT NULL, run_id TEXT NOT NULL, lane_id TEXT, input TEXT NOT NULL, outcome TEXT,
    undos TEXT, PRIMARY KEY (map_id, item)) STRICT, WITHOUT ROWID;
  CREATE INDEX map_items_free ON map_items (map_id, item) WHERE lane_id IS NULL;
  CREATE INDEX map_items_taken ON map_items (lane_id) WHERE outcome IS NULL;
  CREATE INDEX map_items_by_run ON map_items (run_id);
  `,
  `
  ALTER TABLE questions ADD COLUMN reminders TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE questions ADD COLUMN reminded INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE questions ADD COLUMN may_answer TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE questions ADD COLUMN approvals TEXT;
  UPDATE questions SET may_answer = json_array(assignee) WHERE assignee IS NOT NULL;

  CREATE TABLE question_approvals (
    question_id TEXT NOT NULL, principal TEXT NOT NULL, run_id TEXT NOT NULL, at INTEGER NOT NULL, reason TEXT,
    PRIMARY KEY (question_id, principal)) STRICT, WITHOUT ROWID;
  CREATE INDEX question_approvals_by_run ON question_approvals (run_id);

  ALTER TABLE received_events ADD COLUMN caller TEXT;
  `,
  `
  CREATE INDEX calls_by_end ON calls (settled_at) WHERE settled_at IS NOT NULL;
  `,
];
