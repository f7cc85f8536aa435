import type { Unit } from '@daca-mesh/protocol/server';
import { setDeadline } from '../deadlines/deadlines.ts';
import type { UnitDeps } from '../runs/unit-deps.ts';
import type { CallRow, DeadlineRow } from '../store/schema.ts';
import type { CallOutcome, Failure } from '../workflow-kit/contract.ts';
import { abandonCall } from './abandon-calls.ts';
import { abandonedFor, loadCall, optionsOf, parseCallRef, settleCall } from './call-rows.ts';

/** How long the end of a cancelled task is awaited once the time limit of its call has passed. */
export const graceMs = 5_000;

/**
 * The time limit of a call. What may be running at the agent is cancelled first, since only a call that is known to have
 * ended may be tried again; when that, too, stays without an end, the outcome is unknown and says so.
 */
export function* limitCall(deps: UnitDeps, { ref }: DeadlineRow): Unit<void> {
  const row = yield* loadCall(parseCallRef(ref));
  if (!row || row.state === 'settled') return;
  if (row.abandoned !== abandonedFor.nothing) {
    yield* settleCall(deps, row, unknownEnd(row), { raise: true });
  } else if (row.state === 'unsent') {
    const message = `the agent could not be reached within ${optionsOf(row).timeoutMs} ms`;
    yield* settleCall(deps, row, timedOut(row, failure(message, true, { sent: false })), { raise: true });
  } else {
    yield* abandonCall(deps, row, abandonedFor.timeLimit, graceMs);
  }
}

/** The no-progress limit of a call. Progress only moves the row; the deadline follows when it is reached. */
export function* limitSilence(deps: UnitDeps, deadline: DeadlineRow): Unit<void> {
  const row = yield* loadCall(parseCallRef(deadline.ref));
  if (!row || row.state === 'settled' || row.abandoned !== abandonedFor.nothing) return;
  const dueAt = row.progressed_at + optionsOf(row).noProgressMs;
  // While it is unsent the agent cannot be blamed; the time limit goes on.
  if (dueAt > Date.now()) yield* setDeadline(deps.signals, { ...deadline, due_at: dueAt });
  else if (row.state !== 'unsent') yield* abandonCall(deps, row, abandonedFor.silence, graceMs);
}

/** How a call that ran into a limit ended, once its task is known to be over without a result. */
export function* settleLimited(deps: UnitDeps, row: CallRow): Unit<CallOutcome> {
  return yield* settleCall(deps, row, timedOut(row, failure(limitText(row), true, {})), { raise: true });
}

/** Whether a call was given up because of one of its limits. */
export const isLimited = (row: CallRow): boolean => row.abandoned > abandonedFor.givenUp;

function unknownEnd(row: CallRow): CallOutcome {
  const details = { outcome: 'unknown' };
  if (isLimited(row)) return timedOut(row, failure(limitText(row), optionsOf(row).repeatable, details));
  const message = 'the call was given up; whether the agent had done it is not known';
  return {
    ...about(row),
    status: 'canceled',
    failure: { code: 'OUTCOME_UNKNOWN', message, retryable: false, details },
  };
}

function limitText(row: CallRow): string {
  const { timeoutMs, noProgressMs } = optionsOf(row);
  return row.abandoned === abandonedFor.silence
    ? `the agent made no progress for ${noProgressMs} ms`
    : `the call did not end within ${timeoutMs} ms`;
}

const failure = (message: string, retryable: boolean, details: Record<string, unknown>): Failure => ({
  code: 'DEADLINE_EXCEEDED',
  message,
  retryable,
  details,
});

const timedOut = (row: CallRow, failed: Failure): CallOutcome => ({
  ...about(row),
  status: 'timed-out',
  failure: failed,
});

const about = (row: CallRow): { agent?: string; taskId?: string } => ({
  ...(row.agent === null ? {} : { agent: row.agent }),
  ...(row.task_id === null ? {} : { taskId: row.task_id }),
});
