import { isObject } from './json.ts';
import { isMeshError, MeshError, type MeshErrorCode } from '../mesh-error.ts';

/** What a peer said about a failure, whichever binding it said it in. */
export interface PeerFailure {
  message: string;
  /** The HTTP status. */
  status: number;
  /** `error.code` of JSON-RPC. */
  rpcCode?: number | undefined;
  /** `error.data` of JSON-RPC, `error.details` of REST: a list with a google.rpc.ErrorInfo. */
  info?: unknown;
  /** From `Retry-After`, seconds. */
  retryAfterMs?: number | undefined;
}

/** The A2A error codes (A2A specification, section 5.4), for peers that send no ErrorInfo. */
const rpcReasons: Record<number, string> = {
  [-32001]: 'TASK_NOT_FOUND',
  [-32002]: 'TASK_NOT_CANCELABLE',
  [-32003]: 'PUSH_NOTIFICATION_NOT_SUPPORTED',
  [-32004]: 'UNSUPPORTED_OPERATION',
  [-32005]: 'CONTENT_TYPE_NOT_SUPPORTED',
  [-32006]: 'INVALID_AGENT_RESPONSE',
  [-32007]: 'EXTENDED_AGENT_CARD_NOT_CONFIGURED',
  [-32008]: 'EXTENSION_SUPPORT_REQUIRED',
  [-32009]: 'VERSION_NOT_SUPPORTED',
  [-32600]: 'INVALID_REQUEST',
  [-32601]: 'METHOD_NOT_FOUND',
  [-32602]: 'INVALID_PARAMS',
  [-32700]: 'PARSE_ERROR',
};

/** The reasons a peer may give, and what each means to its caller. Unknown reasons go by the status. */
const reasonCodes: Record<string, MeshErrorCode> = {
  CONTENT_TYPE_NOT_SUPPORTED: 'CONTENT_TYPE_NOT_SUPPORTED',
  EXTENDED_AGENT_CARD_NOT_CONFIGURED: 'INVALID_ARGUMENT',
  EXTENSION_SUPPORT_REQUIRED: 'INVALID_ARGUMENT',
  INVALID_AGENT_RESPONSE: 'PEER_FAILED',
  INVALID_PARAMS: 'INVALID_ARGUMENT',
  INVALID_REQUEST: 'INVALID_ARGUMENT',
  METHOD_NOT_FOUND: 'INVALID_ARGUMENT',
  PARSE_ERROR: 'INVALID_ARGUMENT',
  PUSH_NOTIFICATION_NOT_SUPPORTED: 'INVALID_ARGUMENT',
  TASK_NOT_CANCELABLE: 'TASK_NOT_CANCELABLE',
  TASK_NOT_FOUND: 'TASK_NOT_FOUND',
  UNSUPPORTED_OPERATION: 'INVALID_ARGUMENT',
  VERSION_NOT_SUPPORTED: 'VERSION_NOT_SUPPORTED',
  // Our own servers' reasons are error codes of the mesh.
  ALREADY_APPROVED: 'ALREADY_APPROVED',
  ANSWER_INVALID: 'ANSWER_INVALID',
  AUTHENTICATION_REQUIRED: 'AUTHENTICATION_REQUIRED',
  FORBIDDEN: 'FORBIDDEN',
  INVALID_ARGUMENT: 'INVALID_ARGUMENT',
  MESSAGE_ID_REUSED: 'MESSAGE_ID_REUSED',
  METHOD_NOT_ALLOWED: 'METHOD_NOT_ALLOWED',
  NOT_ASSIGNED: 'NOT_ASSIGNED',
  NOT_FOUND: 'NOT_FOUND',
  PAYLOAD_TOO_LARGE: 'PAYLOAD_TOO_LARGE',
  QUESTION_CLOSED: 'QUESTION_CLOSED',
  QUESTION_ID_REQUIRED: 'QUESTION_ID_REQUIRED',
  QUESTION_NOT_FOUND: 'QUESTION_NOT_FOUND',
  RESOURCE_EXHAUSTED: 'RESOURCE_EXHAUSTED',
  SKILL_NOT_FOUND: 'SKILL_NOT_FOUND',
  SKILL_REQUIRED: 'SKILL_REQUIRED',
  TASK_BUSY: 'TASK_BUSY',
  TASK_TERMINAL: 'TASK_TERMINAL',
  UNAUTHENTICATED: 'UNAUTHENTICATED',
  UNAVAILABLE: 'UNAVAILABLE',
  WORKFLOW_NOT_FOUND: 'WORKFLOW_NOT_FOUND',
};

const statusCodes: Record<number, MeshErrorCode> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'CONTENT_TYPE_NOT_SUPPORTED',
  421: 'FORBIDDEN',
  429: 'RESOURCE_EXHAUSTED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
};

const retryable: ReadonlySet<MeshErrorCode> = new Set([
  'PEER_FAILED',
  'RESOURCE_EXHAUSTED',
  'TASK_BUSY',
  'UNAVAILABLE',
]);

/**
 * The one error of a peer's refusal: a code of the mesh, and in `details` the peer's own `reason`, `status`, `rpcCode`
 * and `metadata`. The peer's message is kept; its code is never trusted beyond the lists above.
 */
export function toPeerError(failure: PeerFailure): MeshError {
  const info = errorInfo(failure.info);
  const reason = info?.reason ?? (failure.rpcCode === undefined ? undefined : rpcReasons[failure.rpcCode]);
  // Our own servers give the finer code beside the reason of the specification.
  const { code: ownCode, retryable: isRetryable } = info?.metadata ?? {};
  const code =
    reasonCodes[String(ownCode)] ?? reasonCodes[String(reason)] ?? statusCodes[failure.status] ?? 'PEER_FAILED';
  return new MeshError(code, failure.message, {
    // A peer whose answer breaks the protocol breaks it the next time, too.
    retryable: isRetryable === 'true' || (retryable.has(code) && reason !== 'INVALID_AGENT_RESPONSE'),
    details: {
      sent: true,
      status: failure.status,
      ...(reason === undefined ? {} : { reason }),
      ...(failure.rpcCode === undefined ? {} : { rpcCode: failure.rpcCode }),
      ...(info?.metadata === undefined ? {} : { metadata: info.metadata }),
      ...(failure.retryAfterMs === undefined ? {} : { retryAfterMs: failure.retryAfterMs }),
    },
  });
}

/** A reply that is no valid A2A: never worth a repetition. */
export const invalidReply = (what: string, cause?: unknown): MeshError =>
  new MeshError('PEER_FAILED', `the peer sent no valid ${what}`, {
    details: { sent: true, reason: 'INVALID_AGENT_RESPONSE' },
    cause,
  });

/** Whether nothing of a failed request can have reached the peer, so that any request may be repeated. */
export const isKnownUnsent = (error: unknown): boolean => isMeshError(error) && error.details?.['sent'] === false;

/** The reason a peer gave (`UNSUPPORTED_OPERATION`, …). */
export const peerReason = (error: unknown): string | undefined => {
  const reason = isMeshError(error) ? error.details?.['reason'] : undefined;
  return typeof reason === 'string' ? reason : undefined;
};

function errorInfo(info: unknown): { reason: string; metadata?: Record<string, unknown> } | undefined {
  for (const entry of Array.isArray(info) ? info : []) {
    // An array from JSON; each entry is checked before use.
    const candidate: unknown = entry;
    if (typeof candidate !== 'object' || candidate === null || !('reason' in candidate)) continue;
    if (typeof candidate.reason !== 'string') continue;
    const metadata = 'metadata' in candidate && isObject(candidate.metadata) ? candidate.metadata : undefined;
    return { reason: candidate.reason, ...(metadata ? { metadata } : {}) };
  }
  return undefined;
}
