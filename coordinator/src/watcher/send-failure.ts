import { isMeshError, type MeshErrorCode } from '@daca-mesh/protocol';
import type { Failure } from '../workflow-kit/contract.ts';

/** What a failed send says about the message. */
export type SendFailure =
  /** The peer has not taken it: the connection never stood, or the peer says it has no room now. */
  | { kind: 'unsent'; retryAfterMs?: number }
  /** The peer has refused it for good. */
  | { kind: 'refused'; failure: Failure }
  /** Nobody knows. */
  | { kind: 'unknown'; retryAfterMs?: number };

/** Tells refusal, known unsent and unknown apart. */
export function sendFailure(error: unknown): SendFailure {
  if (!isMeshError(error)) return { kind: 'unknown' };
  const { details } = error;
  if (details?.['sent'] === false) return { kind: 'unsent' };
  const retryAfter = details?.['retryAfterMs'];
  const later = typeof retryAfter === 'number' ? { retryAfterMs: retryAfter } : {};
  const status = details?.['status'];
  // A commit of the agent failed: what was in it may be there when the agent is back.
  if (details?.['reason'] === ('STORE_FAILED' satisfies MeshErrorCode)) return { kind: 'unknown', ...later };
  if (error.code === 'RESOURCE_EXHAUSTED') return { kind: 'unsent', ...later };
  if (unexplained.has(error.code)) return { kind: 'unknown', ...later };
  // A gateway that got no answer (502, 504) cannot say what the agent behind it did.
  if (error.code === 'UNAVAILABLE') return { kind: status === 502 || status === 504 ? 'unknown' : 'unsent', ...later };
  if (error.code === 'PEER_FAILED' && typeof status === 'number' && status >= 500) return { kind: 'unknown', ...later };
  return {
    kind: 'refused',
    failure: {
      code: error.code,
      message: error.message,
      retryable: error.retryable,
      ...(details === undefined ? {} : { details }),
    },
  };
}

const unexplained: ReadonlySet<string> = new Set(['PEER_UNREACHABLE', 'DEADLINE_EXCEEDED', 'CANCELED']);
