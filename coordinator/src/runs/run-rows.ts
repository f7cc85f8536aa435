import { randomUUID } from 'node:crypto';
import { MeshError } from '@daca-mesh/protocol';
import { afterCommit, all, first, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { query, type RunRow, type RunStatus } from '../store/schema.ts';
import type { Signals } from '../store/signals.ts';
import { appendTimeline } from '../store/timeline.ts';

/** A fresh start token: an instance that holds another one must not act for the run. */
export const newToken = (): string => randomUUID();

const ends: ReadonlySet<RunRow['status']> = new Set(['completed', 'failed', 'canceled']);

/** Whether a run has ended. */
export const isOver = (row: Pick<RunRow, 'status'>): boolean => ends.has(row.status);

/**
 * Whether an instance that is started for the run needs to ask nothing before it begins: nobody wants it canceled, and
 * nothing but its start is on its timeline. What an earlier instance did must be undone even if a cancel comes first.
 */
export const isFresh = (row: Pick<RunRow, 'generation' | 'canceling' | 'last_seq'>): boolean =>
  row.generation === 0 && row.canceling === 0 && row.last_seq <= 1;

/** Whether a run is a child: it has a row like any other, but no task. */
export const isChild = (row: Pick<RunRow, 'root_run_id'>): boolean => row.root_run_id !== null;

/** The run at the top of the tree, where people see what happens. */
export const rootOf = (row: Pick<RunRow, 'run_id' | 'root_run_id'>): string => row.root_run_id ?? row.run_id;

/** A run's status as people see it: the stored one, refined by the flags. */
export function runStatus(row: RunRow): RunStatus {
  if (isOver(row) || row.status === 'stalled') return row.status;
  if (row.canceling !== 0) return 'canceling';
  if (row.suspended !== 0) return 'suspended';
  return row.open_questions > 0 ? 'waiting' : row.status;
}

const selectRun = statement<{ run_id: string }, RunRow>((value) =>
  query.selectFrom('runs').selectAll().where('run_id', '=', value('run_id')),
);

/** A run's row, if there is one. */
export function* loadRun(runId: string): Unit<RunRow | undefined> {
  return yield* first(selectRun({ run_id: runId }));
}

/** A run's row. @throws MeshError `RUN_NOT_FOUND`. */
export function* requireRun(runId: string): Unit<RunRow> {
  const row = yield* loadRun(runId);
  if (!row) throw new MeshError('RUN_NOT_FOUND', `there is no run ${runId}`);
  return row;
}

/** The row of a run that people can control. @throws MeshError as `requireOpenRun`, `INVALID_ARGUMENT` for a child. */
export function* requireOpenRoot(runId: string): Unit<RunRow> {
  const row = yield* requireOpenRun(runId);
  if (!isChild(row)) return row;
  throw new MeshError(
    'INVALID_ARGUMENT',
    `the run ${runId} is a child: only its root ${rootOf(row)} can be told that`,
    {
      details: { path: 'runId', root: rootOf(row) },
    },
  );
}

/** The row of a run that has not ended. @throws MeshError `RUN_NOT_FOUND` or `RUN_FINISHED`. */
export function* requireOpenRun(runId: string): Unit<RunRow> {
  const row = yield* requireRun(runId);
  if (isOver(row)) throw new MeshError('RUN_FINISHED', `the run ${runId} has ended: it is ${row.status}`);
  return row;
}

/** What a run is born with. */
export interface NewRun {
  runId: string;
  workflow: string;
  version: number;
  caller: string;
  input: unknown;
  /** `pending` until an instance claims it; a run that an instance brought along is `running`. */
  status: 'pending' | 'running';
  token: string;
  /** What a child has of its parent. */
  child?: Pick<RunRow, 'root_run_id' | 'parent_run_id' | 'path' | 'suspended' | 'canceling'>;
}

const insertRow = statement<RunRow, unknown>((value) =>
  query.insertInto('runs').values({
    run_id: value('run_id'),
    workflow: value('workflow'),
    version: value('version'),
    status: value('status'),
    generation: value('generation'),
    token: value('token'),
    caller: value('caller'),
    input: value('input'),
    output: value('output'),
    error: value('error'),
    progress: value('progress'),
    suspended: value('suspended'),
    canceling: value('canceling'),
    cancel_reason: value('cancel_reason'),
    root_run_id: value('root_run_id'),
    parent_run_id: value('parent_run_id'),
    path: value('path'),
    undos: value('undos'),
    stall: value('stall'),
    open_questions: value('open_questions'),
    last_event: value('last_event'),
    last_seq: value('last_seq'),
    created_at: value('created_at'),
    updated_at: value('updated_at'),
    finished_at: value('finished_at'),
  }),
);

/** Writes the row of a new run and the first entry of its timeline. */
export function* insertRun(signals: Signals, fields: NewRun): Unit<void> {
  const now = Date.now();
  const row: RunRow = {
    run_id: fields.runId,
    workflow: fields.workflow,
    version: fields.version,
    status: fields.status,
    generation: 0,
    token: fields.token,
    caller: fields.caller,
    input: JSON.stringify(fields.input ?? null),
    output: null,
    error: null,
    progress: null,
    suspended: 0,
    canceling: 0,
    cancel_reason: null,
    root_run_id: null,
    parent_run_id: null,
    path: null,
    undos: null,
    stall: null,
    open_questions: 0,
    last_event: 0,
    last_seq: 0,
    created_at: now,
    updated_at: now,
    finished_at: null,
    ...fields.child,
  };
  yield* run(insertRow(row));
  const { workflow, version, caller } = fields;
  if (fields.child)
    yield* appendTimeline(signals, fields.runId, { type: 'child-started', data: { workflow, version } });
  else yield* appendTimeline(signals, fields.runId, { type: 'run-started', data: { workflow, version, caller } });
}

const selectDescendants = statement<{ run_id: string }, RunRow>((value) =>
  query
    .selectFrom('runs')
    .selectAll()
    .where('root_run_id', '=', value('run_id'))
    .where('status', 'in', ['pending', 'running', 'stalled'])
    .orderBy('path'),
);

/** Everything below a root that has not ended, parents before their children. */
export function* openDescendants(rootRunId: string): Unit<readonly RunRow[]> {
  return yield* all(selectDescendants({ run_id: rootRunId }));
}

/** Gives a run a new token: an instance that shows the one before must not act for it any more. */
export function* startOver(runId: string, token: string): Unit<void> {
  yield* run(query.updateTable('runs').set({ token, status: 'pending' }).where('run_id', '=', runId).compile());
  // What was told to the instance that is gone, the new one reads from the rows when it takes its steps again.
  yield* run(
    query
      .updateTable('outbox')
      .set({ state: 'done' })
      .where('run_id', '=', runId)
      .where('kind', '=', 'raise')
      .compile(),
  );
}

const selectFirstEvent = statement<{ run_id: string }, { event_no: number | null; last_event: number }>((value) =>
  query
    .selectFrom('runs')
    .select((eb) => [
      'last_event',
      eb
        .selectFrom('outbox')
        .select(({ fn }) => fn.min('event_no').as('event_no'))
        .where('outbox.run_id', '=', value('run_id'))
        .where('kind', '=', 'raise')
        .where('state', '<>', 'done')
        .as('event_no'),
    ])
    .where('run_id', '=', value('run_id')),
);

/** The number of the first event a run that is started now is told: those before were for an earlier instance. */
export function* firstEvent(runId: string): Unit<number> {
  const row = yield* first(selectFirstEvent({ run_id: runId }));
  return row?.event_no ?? (row?.last_event ?? 0) + 1;
}

const insertStart = statement<{ run_id: string; next_at: number }, unknown>((value) =>
  query.insertInto('outbox').values({
    run_id: value('run_id'),
    kind: 'start',
    event_no: 0,
    name: '',
    payload: 'null',
    state: 'pending',
    tries: 0,
    next_at: value('next_at'),
  }),
);

/** Puts the start of a run's instance into the outbox. The pump takes token and input from the row. */
export function* requestStart(signals: Signals, runId: string): Unit<void> {
  yield* run(insertStart({ run_id: runId, next_at: Date.now() }));
  yield* afterCommit(() => signals.outbox.emit());
}
