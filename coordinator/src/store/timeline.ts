import { afterCommit, all, first, run, type Unit } from '@daca-mesh/protocol/server';
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

/** Appends an entry to a run's timeline and wakes whoever follows it. */
export function* appendTimeline(signals: Signals, runId: string, entry: NewTimelineEntry): Unit<number> {
  const now = Date.now();
  const numbered = yield* first(
    query
      .updateTable('runs')
      .set((eb) => ({ last_seq: eb('last_seq', '+', 1), updated_at: now }))
      .where('run_id', '=', runId)
      .returning('last_seq')
      .compile(),
  );
  if (!numbered) return 0;
  yield* run(
    query
      .insertInto('timeline')
      .values({
        run_id: runId,
        seq: numbered.last_seq,
        at: now,
        type: entry.type,
        call_id: entry.callId ?? null,
        agent: entry.agent ?? null,
        task_id: entry.taskId ?? null,
        attempt: entry.attempt ?? null,
        data: entry.data === undefined ? null : JSON.stringify(entry.data),
      })
      .compile(),
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
