import { isMeshError, MeshError, type MeshErrorCode } from '@daca-mesh/protocol';
import type { CallOutcome, Failure } from './contract.ts';

/** An error as data. Details of an unexpected one stay inside. */
export function toFailure(error: unknown): Failure {
  if (!isMeshError(error)) {
    return { code: 'INTERNAL', message: 'the workflow failed unexpectedly', retryable: false };
  }
  return {
    code: error.code,
    message: error.message,
    retryable: error.retryable,
    ...(error.details === undefined ? {} : { details: error.details }),
  };
}

/** The error behind a failure that one of our own activities reported. */
export const fromFailure = (failure: Failure): MeshError =>
  // Activities report MeshErrors, so the code is one of theirs.
  new MeshError(failure.code as MeshErrorCode, failure.message, {
    retryable: failure.retryable,
    ...(failure.details === undefined ? {} : { details: failure.details }),
  });

/** Codes that say what happened on the way to an agent; all others are the agent's own words. */
const wayCodes: ReadonlySet<string> = new Set<MeshErrorCode>([
  'INVALID_OUTPUT',
  'OUTCOME_UNKNOWN',
  'PEER_NOT_FOUND',
  'PEER_UNREACHABLE',
  'SKILL_NOT_FOUND',
]);

/** How a call failed, as the author of a workflow catches it: `details.failure` is what the agent said. */
export function callError(
  outcome: FailedOutcome,
  about: { callId: string; attempts: number; target: string },
): MeshError {
  const { failure, agent, taskId } = outcome;
  return new MeshError(callErrorCode(outcome), `${about.target}: ${failure.message}`, {
    retryable: failure.retryable,
    details: {
      callId: about.callId,
      attempts: about.attempts,
      failure,
      ...(agent === undefined ? {} : { agent }),
      ...(taskId === undefined ? {} : { taskId }),
    },
  });
}

/** A call that did not bring a result. */
export type FailedOutcome = Extract<CallOutcome, { failure: Failure }>;

function callErrorCode({ status, failure }: FailedOutcome): MeshErrorCode {
  // Checked against a list of codes right here.
  if (wayCodes.has(failure.code)) return failure.code as MeshErrorCode;
  switch (status) {
    case 'rejected':
      return 'PEER_REJECTED';
    case 'timed-out':
      return 'DEADLINE_EXCEEDED';
    case 'failed':
    case 'canceled':
      return 'PEER_FAILED';
    default:
      return status satisfies never;
  }
}
