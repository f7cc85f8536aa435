import { MeshError } from '@daca-mesh/protocol';
import { afterCommit, first, killPoint, run, statement, type Unit } from '@daca-mesh/protocol/server';
import { clearDeadline } from '../deadlines/deadlines.ts';
import { withdrawQuestions } from '../inbox/questions.ts';
import { raiseEvent } from '../outbox/raise.ts';
import type { UnitDeps } from '../runs/unit-deps.ts';
import { type CallRow, type DeadlineRow, query } from '../store/schema.ts';
import { appendTimeline, type NewTimelineEntry } from '../store/timeline.ts';
import { type CallOutcome, type CallRequest, eventNames, type Failure } from '../workflow-kit/contract.ts';

/**
 * The row of a call. While it is not settled it is somebody's to move on: the `send` activity's, then the watcher's.
 * Every outcome is one compare-and-set on `state <> 'settled'` in the commit that also writes the timeline and the event
 * for the workflow.
 */

/** Which attempt of which call. */
export interface CallKey {
  callId: string;
  attempt: number;
}

/** The message as it is sent, the same each time. */
export interface FrozenRequest {
  skill?: string;
  input: unknown;
  messageId: string;
  contextId: string;
  effectKey: string;
  chain: Record<string, unknown>;
  lingerMs: number;
}

/** How a call is to be handled, beside the request itself. */
export interface CallOptions extends Pick<
  CallRequest,
  'target' | 'timeoutMs' | 'noProgressMs' | 'questionPolicy' | 'repeatable' | 'onUnknown' | 'compensating'
> {
  /** Whether the chosen peer recognizes a repeated message. */
  idempotent?: boolean;
  /** What is left of the time limit while it stands still: a question is open, or the run is suspended. */
  remainingMs?: number;
}

/** Reasons a call is no longer wanted, as `CallRow.abandoned` holds them. */
export const abandonedFor = { nothing: 0, givenUp: 1, timeLimit: 2, silence: 3 } as const;

/** When a row is due that waits for something else than time. */
export const never = Number.MAX_SAFE_INTEGER;

export const keyOf = (row: CallRow): CallKey => ({ callId: row.call_id, attempt: row.attempt });

/** A call's key as text: reference of its deadlines, and of what runs for it in this process. */
export const callRef = ({ callId, attempt }: CallKey): string => `${callId}:${attempt}`;

/** The key in a reference made by {@link callRef}. */
export function parseCallRef(ref: string): CallKey {
  const at = ref.lastIndexOf(':');
  return { callId: ref.slice(0, at), attempt: Number(ref.slice(at + 1)) };
}

// Both are written below this folder only, from exactly these types.
export const optionsOf = (row: CallRow): CallOptions => JSON.parse(row.options) as CallOptions;
export const requestOf = (row: CallRow): FrozenRequest => JSON.parse(row.request) as FrozenRequest;

/** The outcome of a settled call. */
export function outcomeOf(row: CallRow): CallOutcome {
  if (row.outcome === null)
    throw new MeshError('INTERNAL', `the call ${callRef(keyOf(row))} is settled without outcome`);
  // Written by settleCall from this type.
  return JSON.parse(row.outcome) as CallOutcome;
}

type CallColumns = Pick<CallRow, 'call_id' | 'attempt'>;

const selectCall = statement<CallColumns, CallRow>((value) =>
  query.selectFrom('calls').selectAll().where('call_id', '=', value('call_id')).where('attempt', '=', value('attempt')),
);

const insertRow = statement<CallRow, unknown>((value) =>
  query.insertInto('calls').values({
    call_id: value('call_id'),
    attempt: value('attempt'),
    run_id: value('run_id'),
    generation: value('generation'),
    path: value('path'),
    skill: value('skill'),
    agent: value('agent'),
    peer_url: value('peer_url'),
    request: value('request'),
    message_id: value('message_id'),
    effect_key: value('effect_key'),
    options: value('options'),
    state: value('state'),
    abandoned: value('abandoned'),
    task_id: value('task_id'),
    outcome: value('outcome'),
    watermark: value('watermark'),
    progressed_at: value('progressed_at'),
    next_at: value('next_at'),
    tries: value('tries'),
    created_at: value('created_at'),
    settled_at: value('settled_at'),
  }),
);

/** Writes the row of a new attempt. */
export function* insertCall(row: CallRow): Unit<void> {
  yield* run(insertRow(row));
}

export function* loadCall({ callId, attempt }: CallKey): Unit<CallRow | undefined> {
  return yield* first(selectCall({ call_id: callId, attempt }));
}

/** Changes a call that is not settled. @returns the row as it now stands, or undefined if it is settled. */
export function* updateCall(key: CallKey, changes: Partial<CallRow>): Unit<CallRow | undefined> {
  return yield* first(
    query
      .updateTable('calls')
      .set(changes)
      .where('call_id', '=', key.callId)
      .where('attempt', '=', key.attempt)
      .where('state', '<>', 'settled')
      .returningAll()
      .compile(),
  );
}

/**
 * Leaves a call open for now: stores what changed, and makes sure its time limits stand. A call settled by its first
 * reply never gets here, and so costs no deadline rows.
 */
export function* keepCall(deps: UnitDeps, key: CallKey, changes: Partial<CallRow>): Unit<CallRow | undefined> {
  const row = yield* updateCall(key, changes);
  if (!row) return undefined;
  const options = optionsOf(row);
  if (options.remainingMs === undefined) {
    yield* ensureDeadline(deps, row, 'call-limit', row.created_at + options.timeoutMs);
    yield* ensureDeadline(deps, row, 'call-silence', row.progressed_at + options.noProgressMs);
  }
  yield* afterCommit(() => deps.signals.calls.emit());
  return row;
}

/** Stops the clock of a call: who it waits for now is a person, or an operator. */
export function* pauseLimits(row: CallRow): Unit<void> {
  const options = optionsOf(row);
  if (options.remainingMs !== undefined) return;
  const ref = callRef(keyOf(row));
  const limit = yield* first(
    query.selectFrom('deadlines').select('due_at').where('kind', '=', 'call-limit').where('ref', '=', ref).compile(),
  );
  const dueAt = limit?.due_at ?? row.created_at + options.timeoutMs;
  yield* updateCall(keyOf(row), {
    options: JSON.stringify({ ...options, remainingMs: Math.max(dueAt - Date.now(), 0) } satisfies CallOptions),
  });
  yield* clearLimits(keyOf(row));
}

/** Starts the clock again, with what was left. */
export function* resumeLimits(deps: UnitDeps, row: CallRow): Unit<void> {
  const { remainingMs, ...options } = optionsOf(row);
  if (remainingMs === undefined) return;
  yield* updateCall(keyOf(row), { options: JSON.stringify(options), progressed_at: Date.now() });
  yield* ensureDeadline(deps, row, 'call-limit', Date.now() + remainingMs);
  yield* ensureDeadline(deps, row, 'call-silence', Date.now() + options.noProgressMs);
}

function* clearLimits(key: CallKey): Unit<void> {
  yield* clearDeadline('call-limit', callRef(key));
  yield* clearDeadline('call-silence', callRef(key));
}

function* ensureDeadline(deps: UnitDeps, row: CallRow, kind: DeadlineRow['kind'], dueAt: number): Unit<void> {
  const inserted = yield* run(
    query
      .insertInto('deadlines')
      .values({ kind, ref: callRef(keyOf(row)), run_id: row.run_id, due_at: dueAt })
      .onConflict((conflict) => conflict.columns(['kind', 'ref']).doNothing())
      .compile(),
  );
  if (inserted > 0) yield* afterCommit(() => deps.signals.deadlines.emit(dueAt));
}

const settle = statement<CallColumns & Pick<CallRow, 'outcome' | 'settled_at' | 'task_id'>, unknown>((value) =>
  query
    .updateTable('calls')
    .set((eb) => ({
      state: 'settled',
      outcome: value('outcome'),
      settled_at: value('settled_at'),
      task_id: eb.fn.coalesce(eb.val(value('task_id')), 'task_id'),
    }))
    .where('call_id', '=', value('call_id'))
    .where('attempt', '=', value('attempt'))
    .where('state', '<>', 'settled'),
);

const selectOpenQuestion = statement<CallColumns & { run_id: string }, { question_id: string }>((value) =>
  query
    .selectFrom('questions')
    .select('question_id')
    .where('run_id', '=', value('run_id'))
    .where('status', '=', 'open')
    .where('call_id', '=', value('call_id'))
    .where('attempt', '=', value('attempt')),
);

/**
 * Settles a call, once: the first outcome counts.
 * @param options.raise Whether the workflow hears of it by an event; `send` returns what it settles itself.
 * @returns the outcome that counts, which may be an earlier one.
 */
export function* settleCall(
  deps: UnitDeps,
  row: CallRow,
  outcome: CallOutcome,
  options: { raise: boolean },
): Unit<CallOutcome> {
  const key = keyOf(row);
  const taskId = ('taskId' in outcome ? outcome.taskId : undefined) ?? null;
  const changed = yield* run(
    settle({
      call_id: key.callId,
      attempt: key.attempt,
      outcome: JSON.stringify(outcome),
      settled_at: Date.now(),
      task_id: taskId,
    }),
  );
  if (changed === 0) {
    const earlier = yield* loadCall(key);
    return earlier ? outcomeOf(earlier) : outcome;
  }
  yield* clearLimits(key);
  yield* withdrawCallQuestions(deps, row, 'the call it came from has ended');
  yield* appendTimeline(deps.signals, row.run_id, timelineEntry({ ...row, task_id: taskId ?? row.task_id }, outcome));
  if (options.raise) yield* raiseEvent(deps.signals, row.run_id, eventNames.call(row.call_id, row.attempt), outcome);
  yield* afterCommit(() => killPoint('call-settled'));
  return outcome;
}

/** The failure of a call that was given up before anybody got it. */
export const neverSent = (reason: string): Failure => ({
  code: 'CANCELED',
  message: reason,
  retryable: false,
  details: { sent: false },
});

/** Closes the question of a call that nobody needs answered any more. */
export function* withdrawCallQuestions(deps: UnitDeps, row: CallRow, reason: string): Unit<void> {
  const open = yield* first(selectOpenQuestion({ run_id: row.run_id, call_id: row.call_id, attempt: row.attempt }));
  if (!open) return;
  yield* withdrawQuestions(deps, { runId: row.run_id, questionIds: [open.question_id], reason });
}

/** What every timeline entry of a call says about it. */
export const callFields = (row: CallRow): Omit<NewTimelineEntry, 'type'> => ({
  callId: row.call_id,
  attempt: row.attempt,
  ...(row.agent === null ? {} : { agent: row.agent }),
  ...(row.task_id === null || row.task_id === '' ? {} : { taskId: row.task_id }),
});

function timelineEntry(row: CallRow, outcome: CallOutcome): NewTimelineEntry {
  const about = callFields(row);
  const data = { ...(row.skill === null ? {} : { skill: row.skill }), durationMs: Date.now() - row.created_at };
  if (outcome.status === 'completed') return { type: 'call-completed', ...about, data };
  const failure = outcome.status === 'question' ? undefined : outcome.failure;
  return {
    type: outcome.status === 'canceled' ? 'call-canceled' : 'call-failed',
    ...about,
    data: { ...data, outcome: outcome.status, ...(failure ? { failure } : {}) },
  };
}
