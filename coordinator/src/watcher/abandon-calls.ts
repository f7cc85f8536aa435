import { afterCommit, all, statement, type Unit } from '@daca-mesh/protocol/server';
import { setDeadline } from '../deadlines/deadlines.ts';
import type { UnitDeps } from '../runs/unit-deps.ts';
import { type CallRow, query } from '../store/schema.ts';
import type { CallOutcome } from '../workflow-kit/contract.ts';
import {
  abandonedFor,
  type CallKey,
  callRef,
  insertCall,
  keyOf,
  loadCall,
  neverSent,
  resumeLimits,
  settleCall,
  updateCall,
  withdrawCallQuestions,
} from './call-rows.ts';

/** How long the outcome of a call that was given up is awaited; then it counts as canceled, its true end unknown. */
const abandonLimitMs = 30_000;

/** Which calls of a run to give up: some, or all that are not settled. */
export interface Abandonment {
  runId: string;
  calls?: readonly CallKey[];
  reason: string;
}

/**
 * Gives up calls. What was not sent never will be: also a `send` that has not begun finds the tombstone. What was sent
 * is cancelled by the watcher as soon as its task is known, and its event says what really happened.
 */
export function* abandonCalls(deps: UnitDeps, { runId, calls, reason }: Abandonment): Unit<void> {
  for (const key of calls ?? (yield* liveCalls(runId))) {
    const row = yield* loadCall(key);
    if (!row) yield* leaveTombstone(runId, key, reason);
    else if (row.state === 'unsent') {
      yield* settleCall(deps, row, { status: 'canceled', failure: neverSent(reason) }, { raise: true });
    } else if (row.state !== 'settled' && row.abandoned === abandonedFor.nothing) {
      yield* abandonCall(deps, row, abandonedFor.givenUp, abandonLimitMs);
      // An approval that comes now must not be brought to an agent that cannot be told of the end yet.
      if (row.state === 'open') yield* withdrawCallQuestions(deps, row, reason);
    }
  }
}

/** Marks a call that may have been sent as no longer wanted and bounds how long its end is awaited. */
export function* abandonCall(deps: UnitDeps, row: CallRow, reason: number, withinMs: number): Unit<void> {
  const key = keyOf(row);
  yield* resumeLimits(deps, row);
  yield* updateCall(key, { abandoned: reason, next_at: Date.now(), tries: 0 });
  yield* setDeadline(deps.signals, {
    kind: 'call-limit',
    ref: callRef(key),
    run_id: row.run_id,
    due_at: Date.now() + withinMs,
  });
  yield* afterCommit(() => deps.signals.calls.emit());
}

const selectLive = statement<{ run_id: string }, Pick<CallRow, 'call_id' | 'attempt'>>((value) =>
  query
    .selectFrom('calls')
    .select(['call_id', 'attempt'])
    .where('run_id', '=', value('run_id'))
    .where('state', '<>', 'settled'),
);

function* liveCalls(runId: string): Unit<CallKey[]> {
  const rows = yield* all(selectLive({ run_id: runId }));
  return rows.map(({ call_id: callId, attempt }) => ({ callId, attempt }));
}

function* leaveTombstone(runId: string, key: CallKey, reason: string): Unit<void> {
  const now = Date.now();
  const outcome: CallOutcome = { status: 'canceled', failure: neverSent(reason) };
  const row: CallRow = {
    call_id: key.callId,
    attempt: key.attempt,
    run_id: runId,
    generation: 0,
    path: '',
    skill: null,
    agent: null,
    peer_url: null,
    request: 'null',
    message_id: '',
    effect_key: '',
    options: '{}',
    state: 'settled',
    abandoned: abandonedFor.givenUp,
    task_id: null,
    outcome: JSON.stringify(outcome),
    watermark: null,
    progressed_at: now,
    next_at: now,
    tries: 0,
    created_at: now,
    settled_at: now,
  };
  yield* insertCall(row);
}
