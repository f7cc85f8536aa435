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

/** A child of a run, as entries and questions name it. */
export interface ChildRef {
  runId: string;
  /** Where it stands below the root: `2[kitchen]`, or `0:2[kitchen]` in a child. */
  path: string;
}

/** A timeline entry as the HTTP API, its event stream and the command line show it. */
export interface TimelineEntry extends NewTimelineEntry {
  seq: number;
  /** RFC 3339. */
  at: string;
  /** The child it is about, where it is not about the run itself. */
  child?: ChildRef;
}

const nextSeq = statement<{ run_id: string; now: number }, { run_id: string; last_seq: number }>((value) =>
  query
    .updateTable('runs')
    .set((eb) => ({ last_seq: eb('last_seq', '+', 1), updated_at: value('now') }))
    .where('run_id', '=', (eb) =>
      eb
        .selectFrom('runs as own')
        .select(({ fn }) => fn.coalesce('own.root_run_id', 'own.run_id').as('root'))
        .where('own.run_id', '=', value('run_id')),
    )
    .returning(['run_id', 'last_seq']),
);

const selectPath = statement<{ run_id: string }, { path: string | null }>((value) =>
  query.selectFrom('runs').select('path').where('run_id', '=', value('run_id')),
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
    child_id: value('child_id'),
    child_path: value('child_path'),
  }),
);

/** Appends an entry to a run's timeline, which a child has in common with its root, and wakes whoever follows it. */
export function* appendTimeline(signals: Signals, runId: string, entry: NewTimelineEntry): Unit<number> {
  const now = Date.now();
  const numbered = yield* first(nextSeq({ run_id: runId, now }));
  if (!numbered) return 0;
  const child = numbered.run_id === runId ? undefined : yield* first(selectPath({ run_id: runId }));
  yield* run(
    insertEntry({
      run_id: numbered.run_id,
      seq: numbered.last_seq,
      at: now,
      type: entry.type,
      call_id: entry.callId ?? null,
      agent: entry.agent ?? null,
      task_id: entry.taskId ?? null,
      attempt: entry.attempt ?? null,
      data: entry.data === undefined ? null : JSON.stringify(entry.data),
      child_id: child ? runId : null,
      child_path: child?.path ?? null,
    }),
  );
  yield* afterCommit(() => {
    signals.timeline.emit(numbered.run_id);
    if (!entry.type.startsWith('call-')) signals.runs.emit(numbered.run_id);
  });
  return numbered.last_seq;
}

/** A run's timeline after an entry, oldest first. A child's is what its root's says about it. */
export function* readTimeline(runId: string, afterSeq: number, limit: number): Unit<TimelineEntry[]> {
  const rows = yield* all(
    query
      .selectFrom('runs')
      .innerJoin('timeline', (join) =>
        join.on((eb) => eb('timeline.run_id', '=', eb.fn.coalesce('runs.root_run_id', 'runs.run_id'))),
      )
      .selectAll('timeline')
      .where('runs.run_id', '=', runId)
      .where((eb) => eb.or([eb('root_run_id', 'is', null), eb('child_id', '=', runId)]))
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
    ...(row.child_id === null ? {} : { child: { runId: row.child_id, path: row.child_path ?? '' } }),
    // Written by appendTimeline from a JSON value.
    ...(row.data === null ? {} : { data: JSON.parse(row.data) as unknown }),
  };
}
