import { afterCommit, all, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { query, type TimelineRow, type TimelineType } from './schema.ts';
import type { Signals } from './signals.ts';

/** A timeline entry as it is written; missing fields do not apply to its type. */
export interface NewTimelineEntry {
  type: TimelineType;
  callId?: string;
  agent?: string;
  taskId?: string;
  attempt?: number;
  data?: unknown;
}

/** A timeline entry as the HTTP API, its event stream and the command line show it. */
export interface TimelineEntry extends NewTimelineEntry {
  seq: number;
  /** RFC 3339. */
  at: string;
}

const nextSeq = statement<{ run_id: string; now: number }, { last_seq: number }>((value) =>
  query
    .updateTable('runs')
    .set((eb) => ({ last_seq: eb('last_seq', '+', 1), updated_at: value('now') }))
    .where('run_id', '=', value('run_id'))
    .returning('last_seq'),
);

const insertEntry = statement<TimelineRow, unknown>((value) =>
  query.insertInto('timeline').values({
    run_id: value('run_id'),
    seq: value('seq'),
    at: value('at'),
    type: value('type'),
    call_id: value('call_id'),
    agent: value('agent'),
    task_id: value('task_id'),
    attempt: value('attempt'),
    data: value('data'),
  }),
);

/** Appends an entry to a run's timeline and wakes whoever follows it. */
export function* appendTimeline(signals: Signals, runId: string, entry: NewTimelineEntry): Unit<number> {
  const now = Date.now();
  const numbered = yield* first(nextSeq({ run_id: runId, now }));
  if (!numbered) return 0;
  yield* run(
    insertEntry({
      run_id: runId,
      seq: numbered.last_seq,
      at: now,
      type: entry.type,
      call_id: entry.callId ?? null,
      agent: entry.agent ?? null,
      task_id: entry.taskId ?? null,
      attempt: entry.attempt ?? null,
      data: entry.data === undefined ? null : JSON.stringify(entry.data),
    }),
  );
  yield* afterCommit(() => signals.timeline.emit(runId));
  return numbered.last_seq;
}

/** A run's timeline after an entry, oldest first. */
export function* readTimeline(runId: string, afterSeq: number, limit: number): Unit<TimelineEntry[]> {
  const rows = yield* all(
    query
      .selectFrom('timeline')
      .selectAll()
      .where('run_id', '=', runId)
      .where('seq', '>', afterSeq)
      .orderBy('seq')
      .limit(limit)
      .compile(),
  );
  return rows.map(toTimelineEntry);
}

function toTimelineEntry(row: TimelineRow): TimelineEntry {
  return {
    seq: row.seq,
    at: new Date(row.at).toISOString(),
    type: row.type,
    ...(row.call_id === null ? {} : { callId: row.call_id }),
    ...(row.agent === null ? {} : { agent: row.agent }),
    ...(row.task_id === null ? {} : { taskId: row.task_id }),
    ...(row.attempt === null ? {} : { attempt: row.attempt }),
    // Written by appendTimeline from a JSON value.
    ...(row.data === null ? {} : { data: JSON.parse(row.data) as unknown }),
  };
}
